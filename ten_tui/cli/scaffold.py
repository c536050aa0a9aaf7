"""`ten init`: a first tenement.toml, guessed from the folder."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import TenError
from engine.core.names import RESERVED_SERVICES, is_label
from ten_tui.client.endpoint import CONFIG_FILE

if TYPE_CHECKING:
    import argparse

_GUESSES = (
    ("pyproject.toml", "uv run python app.py"),
    ("requirements.txt", "uv run python app.py"),
    ("package.json", "npm start"),
    ("go.mod", "go run ."),
    ("Cargo.toml", "cargo run --release"),
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def guess_command(folder: Path) -> str:
    """Guess what starts the program of a folder."""
    for name, command in _GUESSES:
        if (folder / name).exists():
            return command
    return "./app"


def what_is_missing(command: str, folder: Path) -> str:
    """Say what of a command is not there, so that it cannot start; "" where nothing is known."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"the command cannot be split ({error})"
    if not words:
        return "the command is empty"
    if "/" in words[0]:
        return "" if (folder / words[0]).exists() else f"{words[0]} is not there"
    if shutil.which(words[0]) is None:
        return f"{words[0]} is not installed"
    scripts = (word for word in words[1:] if word.endswith(".py") and not (folder / word).exists())
    return next((f"{script} is not there" for script in scripts), "")


def toml_string(text: str) -> str:
    """Write a text as a TOML basic string."""
    written = (
        _ESCAPES.get(char) or (char if char.isprintable() else _unicode(char)) for char in text
    )
    return f'"{"".join(written)}"'


def _unicode(char: str) -> str:
    return f"\\U{ord(char):08x}"


def project(name: str, command: str) -> str:
    """Write a file with one service and one instance of it."""
    return f"""\
[service.{name}]
command = {toml_string(command)}
health = "/health"
idle_timeout = 300
storage_persist = true
isolation = "process"

[instances]
{name} = ["default"]
"""


def init(options: argparse.Namespace) -> int:
    """Write a tenement.toml into the current folder, unless there is one."""
    folder = Path.cwd()
    name = options.name or folder.name
    if not is_label(name) or name in RESERVED_SERVICES:
        message = (
            f"Invalid service name '{name}'. Use --name to set a valid name "
            "(alphanumeric, hyphens, underscores)."
        )
        raise TenError(message)
    command = options.program or guess_command(folder)
    try:
        with Path(CONFIG_FILE).open("x", encoding="utf-8") as file:
            file.write(project(name, command))
    except FileExistsError:
        message = f"{CONFIG_FILE} already exists in this directory"
        raise TenError(message) from None
    except OSError as error:
        message = f"Cannot write {CONFIG_FILE}"
        raise TenError(message) from error
    print(f"Created {CONFIG_FILE}")
    print()
    print(f"  Service: {name}")
    print(f"  Command: {command}")
    print()
    if missing := what_is_missing(command, folder):
        print(f"Note: {missing}: put what starts your program into {CONFIG_FILE}", file=sys.stderr)
    print("Next steps:")
    print("  1. ten token-gen    # Create API token")
    print("  2. ten serve        # Start server")
    print("  3. ten ps           # Check running instances")
    return 0
