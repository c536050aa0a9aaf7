"""The engine in the background, and the console on it: `ten`, `up`, `down`, `console`."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.core.errors import EngineUnreachable, TenError
from engine.core.names import split_instance
from ten_tui.cli.handover import engine_command, serve_arguments
from ten_tui.cli.main import EXIT_USAGE, endpoint_of, endpoints_of, remote_endpoints, report
from ten_tui.cli.parser import make_parser
from ten_tui.cli.plain import plain
from ten_tui.client import Endpoint, connect, find_engine
from ten_tui.client.endpoint import CONFIG_FILE, SOCKET, data_dir_of, find_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

START_SECONDS = 15.0
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MAX_LOG_BYTES = 1024 * 1024
_TAIL_BYTES = 4000
_LOCK_FIELDS = 6


def alone(options: argparse.Namespace) -> int:
    """Attach; where no engine runs, offer to start one; without a terminal, print what runs."""
    if options.plain:
        return _plain(options)
    if options.follow:
        message = "--follow goes with --plain"
        raise TenError(message, hint="`ten logs -f` follows what instances write")
    try:
        endpoints = endpoints_of(options)
        if endpoints[0].host:
            # Why a login failed must be said, not only that nobody answers.
            _log_in(endpoints)
        endpoint = endpoints[0]
        is_up = bool(endpoint.host) or _is_up(endpoint)
    except TenError:
        if _is_terminal():
            if _may_begin(options):
                return _begin(options)
            raise
        make_parser().print_usage(sys.stderr)
        return EXIT_USAGE
    if not _is_terminal():
        return _print_state(options, endpoints, is_up=is_up)
    if is_up:
        return _show(endpoints, "")
    if endpoint.url or endpoint.host or not _agrees("No engine runs here. Start it? [Y/n] "):
        message = f"Failed to connect to server at {endpoint.where}"
        raise EngineUnreachable(message, hint="start it with `ten up` or `ten serve`")
    return _run(["up", *_globals(options)])


def _may_begin(options: argparse.Namespace) -> bool:
    """Tell whether nothing at all says which engine is meant: no option, variable or file."""
    names = ("server", "data_dir", "token", "host")
    variables = ("TENEMENT_SERVER", "TENEMENT_DATA_DIR", "TENEMENT_TOKEN")
    is_named = any(getattr(options, name, "") for name in names)
    return not is_named and not any(map(os.environ.get, variables)) and not find_config(Path.cwd())


def _begin(options: argparse.Namespace) -> int:
    """Offer a first configuration, then all the rest as if it had been there."""
    from ten_tui.cli.scaffold import guess_command, init

    command = guess_command(Path.cwd())
    print(f"No {CONFIG_FILE} here or above.")
    if not _agrees(f"Write one that runs `{command}`? [Y/n] "):
        message = "There is nothing to show"
        raise TenError(message, hint="`ten init --command ...` writes one with your command")
    code = init(make_parser().parse_args(["init"]))
    return code or alone(options)


def _print_state(options: argparse.Namespace, endpoints: Sequence[Endpoint], *, is_up: bool) -> int:
    from ten_tui.cli.instances import ps

    if len(endpoints) > 1:
        return _plain_all(endpoints)
    if is_up:
        return ps(options)
    make_parser().print_help(sys.stderr)
    return EXIT_USAGE


def _globals(options: argparse.Namespace) -> list[str]:
    data_dir = getattr(options, "data_dir", "")
    return ["--data-dir", data_dir] if data_dir else []


def _run(arguments: Sequence[str]) -> int:
    return up(make_parser().parse_args(arguments))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def can_draw() -> bool:
    """Tell whether there is a terminal that the console can be drawn on."""
    return _is_terminal() and not _why_plain(os.environ)


def _agrees(question: str) -> bool:
    try:
        return input(question).strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


def _is_up(endpoint: Endpoint) -> bool:
    with connect(endpoint) as client:
        return client.is_up()


def console(options: argparse.Namespace) -> int:
    """Attach the console."""
    if options.logs:
        split_instance(options.logs)
    if options.plain:
        return _plain(options)
    endpoints = endpoints_of(options)
    _log_in(endpoints)
    return _show(endpoints, options.logs)


def _log_in(endpoints: Sequence[Endpoint]) -> None:
    """Ask each engine once, while the terminal is still the shell's.

    Raises:
        TenError: None of them answers; of several, those that do not are said and waited for.
    """
    errors = []
    for endpoint in endpoints:
        try:
            with connect(endpoint) as client:
                client.engine()
        except TenError as error:
            errors.append(error)
    is_any = len(errors) < len(endpoints)
    for each in errors if is_any else errors[:-1]:
        report(each)
    if not is_any:
        raise errors[-1]


def _show(endpoints: Sequence[Endpoint], logs: str) -> int:
    if not _is_terminal():
        message = "The console needs a terminal"
        raise TenError(message, hint="`ten --plain`, `ten ps` and `ten logs` print to anything")
    if reason := _why_plain(os.environ):
        print(f"{reason}: the console as lines of text (ten --plain)", file=sys.stderr)
        return _plain_all(endpoints)
    from ten_tui.start import run

    # By now somebody has logged in; from here on the terminal is the console's.
    return run([replace(each, is_batch=True) for each in endpoints], logs=logs or None)


def _why_plain(environ: Mapping[str, str]) -> str:
    """Say why the console cannot be drawn on a terminal; "" where it can.

    A locale without a character set, "C" or none at all, says nothing of the terminal.
    Source: locale(7), the order of LC_ALL, LC_CTYPE and LANG.
    """
    if environ.get("TERM", "dumb") == "dumb":
        return "TERM=dumb"
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    given = next((f"{name}={environ[name]}" for name in names if environ.get(name)), "")
    charset = given.partition(".")[2].partition("@")[0]
    is_utf8 = charset.lower().replace("-", "") == "utf8"
    return "" if is_utf8 or not charset else f"{given} is not UTF-8"


def _plain(options: argparse.Namespace) -> int:
    """Print one engine, or several hosts one after the other: one that is away is said so."""
    hosts = getattr(options, "host", None) or []
    if len(hosts) < 2:
        return plain(endpoint_of(options), is_following=options.follow)
    if options.follow:
        message = "--follow takes one host"
        raise TenError(message)
    return _plain_all(remote_endpoints(options))


def _plain_all(endpoints: Sequence[Endpoint]) -> int:
    code = 0
    for endpoint in endpoints:
        try:
            code = plain(endpoint, is_following=False) or code
        except TenError as error:
            if len(endpoints) == 1:
                raise
            code = report(error)
        if len(endpoints) > 1:
            print(flush=True)
    return code


def up(options: argparse.Namespace) -> int:
    """Start the engine in the background if it does not run, and attach."""
    endpoint = _local(options)
    if not _is_up(endpoint):
        _start(options, endpoint)
    if options.detach or not _is_terminal():
        with connect(endpoint) as client:
            view = client.engine()
        pid = _keeper_pid(endpoint) or view.pid
        print(f"Engine running on {view.url} (pid {pid}, data in {view.data_dir})")
        return 0
    return _show([endpoint], "")


def _local(options: argparse.Namespace) -> Endpoint:
    """Find the engine of this host's data directory, whatever the environment says of servers."""
    if named := getattr(options, "config", ""):
        folder = getattr(options, "data_dir", "") or str(data_dir_of(Path(named).absolute()))
        return Endpoint(socket=os.path.realpath(Path(folder) / SOCKET), data_dir=folder)
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"TENEMENT_SERVER", "TENEMENT_TOKEN"}
    }
    return find_engine(Path.cwd(), data_dir=getattr(options, "data_dir", ""), environ=environ)


def _start(options: argparse.Namespace, endpoint: Endpoint) -> None:
    """Start `ten serve` in a session of its own, and wait until its API answers.

    Raises:
        TenError: It ended instead; with what it said.
        EngineUnreachable: It did not answer in time.
    """
    folder = Path(endpoint.data_dir)
    with _open_log(folder / "run" / "log") as log:
        began = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(  # noqa: S603 - our own program
            engine_command(serve_arguments(options)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            # The path of the socket may be a link that comes to be only now.
            there = Endpoint(socket=os.path.realpath(folder / SOCKET), data_dir=str(folder))
            if _is_up(there):
                # It goes on without us; Popen must not warn of that.
                process.returncode = 0
                return
            if process.poll() is not None:
                raise _failed_start(log, began)
            time.sleep(_POLL_SECONDS)
        process.returncode = 0
    message = f"The engine did not answer within {START_SECONDS:g} s"
    raise EngineUnreachable(message, hint=f"see {folder / 'run' / 'log' / 'serve.log'}")


def _open_log(folder: Path) -> IO[bytes]:
    try:
        for part in (*reversed(folder.parents), folder):
            part.mkdir(mode=0o700, exist_ok=True)
        path = folder / "serve.log"
        is_long = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
        handle = os.open(
            path,
            os.O_RDWR | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_long else 0),
            0o600,
        )
    except OSError as error:
        message = f"Cannot write to {folder}"
        raise TenError(message) from error
    return os.fdopen(handle, "rb+")


def _failed_start(log: IO[bytes], began: int) -> TenError:
    end = log.seek(0, os.SEEK_END)
    log.seek(max(began, end - _TAIL_BYTES))
    said = log.read().decode("utf-8", "replace").strip()
    return TenError(said.removeprefix("Error: ") or "The engine ended at its start")


def down(options: argparse.Namespace) -> int:
    """Stop the engine of a data directory, with its instances, and wait until it is gone."""
    endpoint = _local(options)
    pid, handle = _keeper(Path(endpoint.data_dir) / "run" / "lock")
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], STOP_SECONDS)[0]:
            message = f"The engine (pid {pid}) has not ended within {STOP_SECONDS:g} s"
            raise TenError(message, hint="it may still be draining; look with `ten ps`")
    except PermissionError as error:
        message = f"Cannot stop the engine (pid {pid})"
        raise TenError(message) from error
    finally:
        os.close(handle)
    print(f"Stopped the engine (pid {pid})")
    return 0


def _keeper_pid(endpoint: Endpoint) -> int:
    """Give the pid that `ten down` ends, so that both print the same; 0 where it cannot be told."""
    try:
        pid, handle = _keeper(Path(endpoint.data_dir) / "run" / "lock")
    except TenError:
        return 0
    os.close(handle)
    return pid


def _keeper(lock: Path) -> tuple[int, int]:
    """Find who holds a data directory: its pid and a pidfd, so that no other process is hit.

    Raises:
        EngineUnreachable: Nobody does.
    """
    none = EngineUnreachable(
        f"No engine runs in {lock.parent.parent}", hint="`ten up` or `ten serve` starts one"
    )
    try:
        with lock.open("rb") as file:
            if not _is_locked(file):
                raise none
            inode = os.fstat(file.fileno()).st_ino
            pid = int(file.read(32) or b"0")
    except (FileNotFoundError, ValueError):
        raise none from None
    except OSError as error:
        message = f"Cannot read {lock}"
        raise TenError(message) from error
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        raise none from None
    # Only now is it certain that the pid still means the process that holds the lock.
    if pid not in _holders(inode):
        os.close(handle)
        raise none
    return pid, handle


def _is_locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _holders(inode: int) -> set[int]:
    """Read who holds a flock on an inode. Source: proc_locks(5)."""
    found = set()
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if len(fields) < _LOCK_FIELDS or fields[1] != "FLOCK":
            continue
        if fields[5].rpartition(":")[2] == str(inode):
            found.add(int(fields[4]))
    return found
