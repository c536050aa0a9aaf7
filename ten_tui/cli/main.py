"""Runs a command: words to a function, errors to exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.core.errors import Refused, TenError
from ten_tui.cli.parser import make_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from ten_tui.client import Client, Endpoint

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_ON_THIS_HOST = frozenset(
    {"up", "down", "serve", "config", "doctor", "token-gen", "init", "bridge"}
    | {"install", "uninstall"}
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ten`; give its exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        _check_host(options)
        code = _commands()[options.command](options)
        sys.stdout.flush()
    except TenError as error:
        return report(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read has left: there is nobody to tell. Python must not try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return code


def _check_host(options: argparse.Namespace) -> None:
    if options.replay and options.command:
        message = f"--replay shows a file: it does not go with `ten {options.command}`"
        raise Refused(message)
    if getattr(options, "host", None) and options.command in _ON_THIS_HOST:
        message = f"`ten {options.command}` works on this host only"
        raise Refused(message, hint=f"`ssh {options.host[-1]} ten {options.command}` does it there")


def report(error: TenError) -> int:
    """Print an error in the peer's form, with its causes and what to do; give the exit code."""
    sys.stdout.flush()
    lines = [f"Error: {_shown(str(error))}"]
    causes = _causes(error)
    if causes:
        lines += ["", "Caused by:"]
        numbered = len(causes) > 1
        for place, cause in enumerate(causes):
            text = f"{place}: {cause}" if numbered else cause
            lines += [f"    {line}".rstrip() for line in text.splitlines()]
    if error.hint:
        lines += ["", f"Hint: {_shown(error.hint)}"]
    print("\n".join(lines), file=sys.stderr)
    return EXIT_FAILED


def _causes(error: BaseException) -> list[str]:
    found = []
    cause = error.__cause__
    while cause is not None:
        found.append(_shown(str(cause)) or type(cause).__name__)
        cause = cause.__cause__
    return found


def _shown(text: str) -> str:
    """Let no terminal sequence through, as a message may hold what a server sent."""
    from engine.core.sanitize import sanitize

    return "\n".join(sanitize(line) for line in text.splitlines())


def endpoint_of(options: argparse.Namespace) -> Endpoint:
    """Find the engine that the options and the current folder mean."""
    from ten_tui.client import find_engine

    if getattr(options, "host", None):
        return remote_endpoints(options)[-1]
    return find_engine(
        os.getcwd(),  # noqa: PTH109 - a string is wanted
        server=getattr(options, "server", ""),
        data_dir=getattr(options, "data_dir", ""),
        token=getattr(options, "token", ""),
    )


def remote_endpoints(options: argparse.Namespace) -> list[Endpoint]:
    """Give the engines of other hosts that are named.

    Raises:
        Refused: One is no host, or another option says which engine is meant.
    """
    from ten_tui.client import Endpoint
    from ten_tui.client.bridge import split_host

    hosts: list[str] = options.host
    for name in ("server", "data_dir"):
        if getattr(options, name, ""):
            message = f"--host and --{name.replace('_', '-')} name two engines"
            raise Refused(message, hint="USER@HOST:FOLDER names a folder over there")
    for host in hosts:
        split_host(host)
    is_console = options.command in (None, "console", "web")
    if len(hosts) > 1 and not is_console:
        message = f"Several hosts are for the console; `ten {options.command}` takes one"
        raise Refused(message, hint=f"`ten --host {hosts[-1]} {options.command} ...`")
    return [Endpoint(host=host, token=getattr(options, "token", "")) for host in hosts]


def endpoints_of(options: argparse.Namespace) -> list[Endpoint]:
    """Find the engines a console is to show: those of all hosts that are named, or the one."""
    return remote_endpoints(options) if getattr(options, "host", None) else [endpoint_of(options)]


def client_of(options: argparse.Namespace) -> Client:
    """Make a client of that engine."""
    from ten_tui.client import connect

    return connect(endpoint_of(options))


def _commands() -> dict[str | None, Callable[[argparse.Namespace], int]]:
    return {
        None: _alone,
        "help": _help,
        **{name: _lazy("attach", name) for name in ("up", "down", "console")},
        **{name: _lazy("handover", name) for name in ("serve", "config", "doctor")},
        **{name: _lazy("instances", name) for name in _INSTANCE_COMMANDS},
        "token-gen": _lazy("handover", "token_gen"),
        "inspect": _lazy("inspecting", "inspect"),
        "bridge": _lazy("bridge", "bridge"),
        "top": _lazy("top", "top"),
        "web": _lazy("web", "web"),
        "consoles": _lazy("consoles", "consoles"),
        "bundle": _lazy("bundle", "bundle"),
        "metrics": _lazy("metrics", "metrics"),
        **{name: _lazy("rollouts", name) for name in ("rollback", "rollout")},
        "logs": _lazy("logs", "logs"),
        "set": _lazy("limits", "set_limits"),
        "caddy": _lazy("caddy", "caddy"),
        "init": _lazy("scaffold", "init"),
        **{name: _lazy("systemd", name) for name in ("install", "uninstall")},
    }


_INSTANCE_COMMANDS = (
    "ps",
    "spawn",
    "stop",
    "restart",
    "undo",
    "health",
    "weight",
    "deploy",
    "route",
)


def _lazy(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """Give a command whose module is imported when it runs."""

    def run(options: argparse.Namespace) -> int:
        from importlib import import_module

        command: Callable[[argparse.Namespace], int] = getattr(
            import_module(f"ten_tui.cli.{module}"), name
        )
        return command(options)

    return run


def _alone(options: argparse.Namespace) -> int:
    """`ten` without a command: the console, or where there is no terminal what runs."""
    if options.replay:
        return _lazy("bundle", "replay")(options)
    return _lazy("attach", "alone")(options)


def _help(options: argparse.Namespace) -> int:
    make_parser().parse_args([options.topic, "--help"] if options.topic else ["--help"])
    return 0
