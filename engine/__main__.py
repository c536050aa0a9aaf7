"""`python -m engine`: the engine's own programs, and the commands that need no engine.

`serve` checks what it is given and becomes the keeper, which starts `daemon` and `door`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from engine.core.config import describe_error
from engine.core.errors import SpecError, TenError
from engine.core.names import domain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.core.caddy import FrontOptions
    from engine.core.spec import Config, TlsSpec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the programs; give its exit status."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except SpecError as error:
        return _fail(describe_error(error))
    except TenError as error:
        return _fail(f"{error}\n  {error.hint}" if error.hint else str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def serve(options: argparse.Namespace) -> int:
    """Check everything that can be checked, then become the keeper."""
    path = _config_path(options)
    config = _admit(_read(path, options))
    front = _settle_front(options, config)
    data_dir = Path(config.settings.data_dir)
    _check_database(data_dir)
    if sys.stdout.isatty():
        for warning in config.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        place = f"https://{options.domain}:{front.https_port}" if front else ""
        place = place or f"http://{options.domain}:{options.port}"
        print(f"ten serves {place}; Ctrl-C stops it", flush=True)
    names = {
        "--data-dir": str(data_dir),
        "--config": str(path),
        "--bind": options.bind,
        "--port": str(options.port),
        "--domain": options.domain,
    }
    if options.doors:
        names["--doors"] = str(options.doors)
    if front:
        names["--front"] = msgspec.json.encode(front).decode()
        names["--bind"] = "127.0.0.1"  # who is to have HTTPS must not get by without
    return _become([text for pair in names.items() for text in pair])


def _settle_front(options: argparse.Namespace, config: Config) -> FrontOptions | None:
    from engine.runtime.fronting import settle

    tls = config.settings.tls
    if not (options.tls or tls.enabled):
        if options.staging or options.email:
            raise TenError("--staging and --email are about --tls", hint="add --tls")
        return None
    if tls.domain and options.domain == "localhost":
        options.domain = tls.domain
    return settle(
        config,
        domain=options.domain,
        bind=options.bind,
        email=options.email,
        is_staging=options.staging,
    )


def front(options: argparse.Namespace) -> int:
    """Become the Caddy of a keeper."""
    from engine.core.caddy import read_options
    from engine.daemon.config_file import read_config
    from engine.door.privileges import drop
    from engine.runtime.front import run_front

    def read() -> TlsSpec:
        return read_config(options.config, data_dir=options.data_dir).settings.tls

    settled = read_options(options.front)
    assert settled is not None  # noqa: S101 - the keeper starts no Caddy without them
    return run_front(read, settled, port=options.port, drop=drop)


def daemon(options: argparse.Namespace) -> int:
    """Be the engine of a keeper."""
    from engine.daemon.process_setup import run_engine

    return run_engine(
        keeper_fd=options.keeper_fd,
        data_dir=Path(options.data_dir),
        config=options.config,
        domain=options.domain,
        port=options.port,
        front=options.front,
    )


def door(options: argparse.Namespace) -> int:
    """Be a door of a keeper."""
    from engine.door.worker import run_door

    return run_door(
        listen_fd=options.listen_fd,
        control_fd=options.control_fd,
        supply_fd=options.supply_fd,
        index=options.index,
        domain=options.domain,
        uid=options.uid,
    )


def show_config(options: argparse.Namespace) -> int:
    """Check the configuration, and show what it comes to."""
    config = _admit(_read(_config_path(options), options, is_strict=options.strict))
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if options.check:
        return 0
    print(f'Data dir: "{config.settings.data_dir}"')
    print(f"Health interval: {config.settings.health_check_interval_seconds:g}s")
    print("\nServices:" if config.services else "\nServices: none")
    for name, spec in config.services.items():
        print(f"  [{name}]")
        print(f"    command: {spec.command}")
        print(f"    isolation: {spec.isolation.value}")
        if spec.health is not None:
            print(f"    health: {spec.health}")
        if spec.idle_timeout_seconds:
            print(f"    idle_timeout: {spec.idle_timeout_seconds}s")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Show what this host can and cannot do; 1 where the configuration needs more."""
    from engine.runtime.doctor.command import run

    config, error, data_dir = None, "", _data_dir(options)
    try:
        config = _read(_config_path(options), options)
    except SpecError as refused:
        error = describe_error(refused)
    except TenError:
        if options.config:
            raise
    data_dir = data_dir or (config.settings.data_dir if config else str(Path.cwd()))
    return run(config, error, data_dir, port=options.port, is_json=options.json)


def token_gen(options: argparse.Namespace) -> int:
    """Make a token and put it in force, also beside an engine that runs."""
    from engine.daemon.auth import token_gen as make

    data_dir = _data_dir(options) or _read(_config_path(options), options).settings.data_dir
    token = make(
        data_dir,
        tenant=options.tenant,
        description=options.description,
        is_read_only=options.read_only,
    )
    if options.tenant:
        print(f"Generated tenant token for '{options.tenant}':")
    elif options.read_only:
        print("Generated read-only API token:")
    else:
        print("Generated admin API token:")
    print(f"\n  {token}\n")
    if options.tenant:
        print(f"This token can only access instances/logs for tenant '{options.tenant}'.")
        print("Deploy and route operations are admin-only.")
    elif options.read_only:
        print("This token can look at everything and change nothing.")
    else:
        print(f"Token saved to {data_dir}/api_token")
        print(f"Use it in the Authorization header: Bearer {token}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run the engine in the foreground"))
    _add_daemon(commands.add_parser("daemon"))
    _add_door(commands.add_parser("door"))
    _add_front(commands.add_parser("front"))
    token = commands.add_parser("token-gen", help="make an API token")
    token.add_argument("--tenant", default="", metavar="T")
    token.add_argument("--description", default="", metavar="D")
    token.add_argument("--read-only", action="store_true")
    token.set_defaults(run=token_gen)
    config = commands.add_parser("config", help="check the configuration and show it")
    config.add_argument("--check", action="store_true", help="show nothing but what is wrong")
    config.add_argument("--strict", action="store_true", help="unknown keys are errors")
    config.set_defaults(run=show_config)
    doctor_ = commands.add_parser("doctor", help="show what this host can and cannot do")
    doctor_.add_argument("--json", action="store_true", help="for programs")
    doctor_.add_argument("-p", "--port", type=int, default=8080, help="of the door")
    doctor_.set_defaults(run=doctor)
    for command in (token, config, doctor_):
        _add_place(command)
    return parser


def _add_serve(command: argparse.ArgumentParser) -> None:
    command.add_argument("-p", "--port", type=int, default=8080)
    command.add_argument("-d", "--domain", type=_domain, default="localhost")
    command.add_argument("--bind", default="0.0.0.0", metavar="ADDRESS")  # noqa: S104 - the peer's
    command.add_argument("--doors", type=int, default=0, metavar="N")
    command.add_argument("--tls", action="store_true", help="HTTPS, by Caddy")
    command.add_argument("--staging", action="store_true", help="of a CA for tests")
    command.add_argument("--email", default="", help="for the CA")
    command.set_defaults(run=serve)
    _add_place(command)


def _domain(text: str) -> str:
    try:
        return domain_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_place(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", default="", metavar="FILE")
    command.add_argument("--data-dir", metavar="D")


def _add_daemon(command: argparse.ArgumentParser) -> None:
    command.add_argument("--keeper-fd", type=int, required=True)
    command.add_argument("--data-dir", required=True)
    command.add_argument("--config", required=True)
    command.add_argument("--domain", required=True)
    command.add_argument("--port", type=int, required=True)
    command.add_argument("--front", default="")
    command.set_defaults(run=daemon)


def _add_front(command: argparse.ArgumentParser) -> None:
    for name in ("--data-dir", "--config", "--front"):
        command.add_argument(name, required=True)
    command.add_argument("--port", type=int, required=True)
    command.set_defaults(run=front)


def _add_door(command: argparse.ArgumentParser) -> None:
    command.add_argument("--listen-fd", type=int, required=True)
    command.add_argument("--control-fd", type=int, required=True)
    command.add_argument("--supply-fd", type=int)
    command.add_argument("--index", type=int, required=True)
    command.add_argument("--domain", required=True)
    command.add_argument("--uid", type=int, required=True)
    command.set_defaults(run=door)


def _config_path(options: argparse.Namespace) -> Path:
    """Give the file that is named, or the nearest.

    Raises:
        TenError: There is none.
    """
    from engine.daemon.config_file import find_config

    if options.config:
        return Path(options.config).absolute()
    found = find_config(Path.cwd())
    if found is None:
        raise TenError("No tenement.toml found. Create one with: ten init")
    return found


def _data_dir(options: argparse.Namespace) -> str:
    """Give the data directory that is named; it beats the file's.

    Raises:
        TenError: It is named, and has no name.
    """
    if options.data_dir == "":
        raise TenError("--data-dir is empty", hint="name a folder, or leave it out")
    named = options.data_dir or os.environ.get("TENEMENT_DATA_DIR", "")
    return str(Path(named).absolute()) if named else ""


def _read(path: Path, options: argparse.Namespace, *, is_strict: bool = False) -> Config:
    from engine.daemon.config_file import read_config

    return read_config(path, is_strict=is_strict, data_dir=_data_dir(options))


def _admit(config: Config) -> Config:
    """Refuse what this host cannot give, and warn of what it gives in part."""
    from engine.runtime.host import admit

    return admit(config)


def _check_database(data_dir: Path) -> None:
    """Open the database once: a damaged one is said here, not in a log file.

    Raises:
        TenError: It cannot be used.
        OSError: The directory cannot be made.
    """
    from engine.daemon.auth import DATABASE_FILE
    from engine.daemon.store import Store

    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    Store(data_dir / DATABASE_FILE).close()


def _become(arguments: list[str]) -> NoReturn:
    """Go on as the keeper, with nothing of this program's memory."""
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "engine.keeper", *arguments]
    os.execv(command[0], command)  # noqa: S606 - no shell is what is meant


def _fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
