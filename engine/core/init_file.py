"""The first `tenement.toml` of a project, as `ten init` writes it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from engine.core.errors import Refused
from engine.core.names import RESERVED_SERVICES, is_label

if TYPE_CHECKING:
    from collections.abc import Collection

FALLBACK_COMMAND = "./app"

FALLBACK_NAME = "app"

_GUESSES = (
    (("uv.lock", "pyproject.toml"), "uv run python {main}"),
    (("package.json",), "npm start"),
    (("go.mod",), "go run ."),
    (("Cargo.toml",), "cargo run --release"),
)

_PYTHON_MAINS = ("main.py", "app.py", "server.py")

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def guess_command(files: Collection[str]) -> str:
    """Guess what starts a project from the names of the files in its folder."""
    for marks, command in _GUESSES:
        if any(mark in files for mark in marks):
            mains = (name for name in _PYTHON_MAINS if name in files)
            return command.format(main=next(mains, _PYTHON_MAINS[0]))
    return FALLBACK_COMMAND


def guess_name(folder: str) -> str:
    """Make a service name out of a folder's name."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder)[:63].strip("-_")
    return name if is_label(name) and name not in RESERVED_SERVICES else FALLBACK_NAME


def render_init(name: str, command: str) -> str:
    """Write the file: one service with a health check and one instance.

    Whatever quotes the command holds, reading the file gives the same command again.

    Raises:
        Refused: The name cannot name a service, or the command cannot be split into words.
    """
    if not is_label(name) or name in RESERVED_SERVICES:
        message = f"'{name}' cannot name a service"
        hint = "1 to 63 letters, digits, - and _, with a letter or digit at both ends"
        raise Refused(message, hint=hint)
    _check_command(command)
    return f"""\
# What is run here, and how. Every key: docs/CONFIG.md.

[service.{name}]
command = {quote(command)}
isolation = "process"
health = "/health"
idle_timeout = 300
storage_persist = true

[instances]
{name} = ["default"]
"""


def quote(text: str) -> str:
    """Write a text as a TOML basic string on one line."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    is_control = code < 0x20 or 0x7F <= code < 0xA0
    return f"\\u{code:04x}" if is_control else char


def _check_command(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        message = f"the command cannot be split: {str(error).lower()}"
        raise Refused(message) from error
    if "\0" in command or not words or not words[0]:
        message = "the command is empty" if "\0" not in command else "the command holds a NUL"
        raise Refused(message)
