"""Commands that put the console in front of an engine: `up`, `down`, `console`, and `ten` alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import EngineUnreachable, TenError
from engine.core.names import split_instance
from ten_tui.cli.handover import engine_command, serve_arguments
from ten_tui.cli.main import endpoint_of
from ten_tui.client import connect

if TYPE_CHECKING:
    import argparse

    from ten_tui.client import Endpoint

START_SECONDS = 15.0
"""How long a started engine may take until it answers."""

STOP_SECONDS = 60.0
"""How long an engine may take to end its instances; the keeper bounds itself well below."""

_PAUSE_SECONDS = 0.02
_ERROR_BYTES = 16 * 1024


def up(options: argparse.Namespace) -> int:
    """Start the engine in the background unless it runs, and attach the console."""
    endpoint = endpoint_of(_placed(options))
    if is_up(endpoint):
        print(f"The engine of {endpoint.data_dir} runs already")
    else:
        start(endpoint, serve_arguments(options))
        print(f"Started the engine of {endpoint.data_dir}")
    if options.detach or not has_terminal():
        return 0
    return attach(endpoint)


def down(options: argparse.Namespace) -> int:
    """Stop the engine and its instances; return once all have ended."""
    endpoint = endpoint_of(options)
    pidfd = keeper_of(endpoint)
    if pidfd is None:
        message = f"No engine runs in {endpoint.data_dir or endpoint.where}"
        raise TenError(message)
    with os.fdopen(pidfd, "rb") as process:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([process], [], [], STOP_SECONDS)[0]:
            message = f"The engine is still stopping after {STOP_SECONDS:g} s"
            raise TenError(message, hint="a second `ten down` does not wait for requests in flight")
    print(f"Stopped the engine of {endpoint.data_dir}")
    return 0


def console(options: argparse.Namespace) -> int:
    """Attach the console; with --logs to that instance's log."""
    if options.logs:
        split_instance(options.logs)
    if not has_terminal():
        message = "The console needs a terminal"
        raise TenError(message, hint="`ten ps` and `ten logs` print the same facts as lines")
    return attach(endpoint_of(options), logs=options.logs)


def alone(options: argparse.Namespace) -> int:
    """`ten`: attach; where no engine runs, offer to start it. Without a terminal: what runs."""
    from ten_tui.cli.instances import ps
    from ten_tui.cli.parser import make_parser

    if not has_terminal():
        try:
            endpoint = endpoint_of(options)
        except TenError:
            make_parser().print_help()
            return 0
        return ps(options) if is_up(endpoint) else _print_help()
    endpoint = endpoint_of(options)
    if not is_up(endpoint):
        if not endpoint.socket:
            message = f"Failed to connect to server at {endpoint.url}"
            raise EngineUnreachable(message)
        if not _agrees(f"No engine runs in {endpoint.data_dir}. Start it? [Y/n] "):
            return 0
        defaults = make_parser().parse_args(["up", "--data-dir", endpoint.data_dir])
        start(endpoint, serve_arguments(defaults))
    return attach(endpoint)


def attach(endpoint: Endpoint, *, logs: str = "") -> int:
    """Show the console; Textual is imported only now."""
    from ten_tui.app import run

    return run(endpoint, logs=logs or None)


def has_terminal() -> bool:
    """Tell whether somebody sits in front of this."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def is_up(endpoint: Endpoint) -> bool:
    """Tell whether the engine answers."""
    with connect(endpoint) as client:
        return client.is_up()


def start(endpoint: Endpoint, arguments: list[str]) -> None:
    """Start an engine in a session of its own, and wait until it answers.

    Raises:
        TenError: It ended, with what it said; or it does not answer in time.
    """
    if not endpoint.socket:
        message = "An engine is started on its own host"
        raise TenError(message, hint="leave --server away")
    log = Path(endpoint.data_dir) / "run" / "log" / "serve.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the same program
            engine_command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not is_up(endpoint):
        if process.poll() is not None:
            raise TenError(_said(log) or f"The engine ended with {process.returncode}")
        if time.monotonic() > deadline:
            message = f"The engine does not answer after {START_SECONDS:g} s"
            raise TenError(message, hint=f"its output is in {log}")
        time.sleep(_PAUSE_SECONDS)
    process.returncode = 0  # it lives on: nobody here waits for it


def keeper_of(endpoint: Endpoint) -> int | None:
    """Give a pidfd of the process that holds the data directory, None where none does.

    The pid in the file counts only while the lock is held, and the lock is asked again once the
    pidfd is there, so that it can be no later owner of the pid.
    """
    lock = Path(endpoint.data_dir) / "run" / "lock"
    if not endpoint.data_dir or not _is_held(lock):
        return None
    try:
        pidfd = os.pidfd_open(int(lock.read_text()))
    except (OSError, ValueError):
        return None
    if _is_held(lock):
        return pidfd
    os.close(pidfd)
    return None


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _placed(options: argparse.Namespace) -> argparse.Namespace:
    """Let --config say where the data is, as it does for `serve`."""
    from ten_tui.client.endpoint import data_dir_of

    named = getattr(options, "config", "")
    if named and not getattr(options, "data_dir", "") and not os.environ.get("TENEMENT_DATA_DIR"):
        options.data_dir = str(data_dir_of(Path(named).absolute()))
    return options


def _said(log: Path) -> str:
    """Give what a failed start printed, without the word that is printed before it again."""
    text = log.read_bytes()[-_ERROR_BYTES:].decode(errors="replace").strip()
    return text.removeprefix("Error: ")


def _agrees(question: str) -> bool:
    try:
        return input(question).strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


def _print_help() -> int:
    from ten_tui.cli.parser import make_parser

    make_parser().print_help()
    return 0
