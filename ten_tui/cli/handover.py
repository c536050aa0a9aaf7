"""Commands that are the engine's own program: this process becomes it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse


def serve_arguments(options: argparse.Namespace) -> list[str]:
    """Give the engine's own command line for `ten serve` and `ten up`."""
    arguments = ["serve", f"--port={options.port}", f"--domain={options.domain}"]
    arguments.append(f"--bind={options.bind}")
    if options.doors:
        arguments.append(f"--doors={options.doors}")
    return [*arguments, *_place(options)]


def serve(options: argparse.Namespace) -> NoReturn:
    """Run the engine in the foreground."""
    flags = [f"--{name}" for name in ("tls", "staging") if getattr(options, name)]
    if options.email:
        flags.append(f"--email={options.email}")
    _become([*serve_arguments(options), *flags])


def config(options: argparse.Namespace) -> NoReturn:
    """Check the configuration and show it."""
    strict = ["--strict"] if options.strict else []
    _become(["config", *strict, *_place(options)])


def doctor(options: argparse.Namespace) -> NoReturn:
    """Show what this host can and cannot do."""
    json = ["--json"] if options.json else []
    _become(["doctor", f"--port={options.port}", *json, *_place(options)])


def token_gen(options: argparse.Namespace) -> NoReturn:
    """Make a token."""
    arguments = ["token-gen", *_place(options)]
    if options.tenant:
        arguments.append(f"--tenant={options.tenant}")
    if options.description:
        arguments.append(f"--description={options.description}")
    if options.read_only:
        arguments.append("--read-only")
    _become(arguments)


def _place(options: argparse.Namespace) -> list[str]:
    """Name the configuration and the data directory, where the user named them."""
    found = []
    if named := getattr(options, "config", ""):
        found.append(f"--config={Path(named).absolute()}")
    data_dir = getattr(options, "data_dir", "") or os.environ.get("TENEMENT_DATA_DIR", "")
    if data_dir:
        found.append(f"--data-dir={Path(data_dir).absolute()}")
    return found


def engine_command(arguments: list[str]) -> list[str]:
    """Give the command line that runs the engine's program with the same Python as this."""
    return [sys.executable, "-P", "-m", "engine", *arguments]


def _become(arguments: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    command = engine_command(arguments)
    os.execv(command[0], command)  # noqa: S606 - the same program goes on
