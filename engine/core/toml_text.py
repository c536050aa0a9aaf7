"""Reading TOML with every error in its place: `tomllib`, and what it leaves unsaid."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Any

from engine.core.errors import SpecError

_PLACE = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)\Z")

_TUPLE = re.compile(r"\A(Cannot [a-z ]+)(\(['\"].*\))")
"""How tomllib names a key: as the tuple of its parts."""

_HEADER = re.compile(r"\s*\[{1,2}\s*([\w.\"' -]+?)\s*\]{0,2}\s*(?:#.*)?\Z")

_KEY = re.compile(r"\s*([\w.\"'-]+)\s*(?:=|\Z)")

_LONG_NUMBER = re.compile(r"[0-9_]{4000}")

_DEEP = 100
"""Brackets open at once, from which on a nesting is called too deep."""


def load_toml(text: str, path: str) -> dict[str, Any]:
    """Read a text whose lines end with LF alone.

    Raises:
        SpecError: It is no TOML; with line, column and, where it can be told, the key.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        message = "arrays or tables are nested too deeply"
        raise _error(message, text, path, _where_deep(text)) from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, path) from error
    except ValueError as error:  # Python converts no longer numbers.
        found = _LONG_NUMBER.search(text)
        at = found.start() if found else 0
        raise _error("a number has too many digits", text, path, at) from error


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path of keys as TOML would: `service.api.env`, `instances.api[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        is_bare = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
        text += ("." if text else "") + (part if is_bare else f"{part!r}")
    return text


def _syntax_error(message: str, text: str, path: str) -> SpecError:
    """Take place and key out of tomllib's message."""
    found = _PLACE.search(message)
    reason = message[: found.start()] if found else message
    at = _offset(text, int(found[1]), int(found[2])) if found and found[1] else len(text)
    key = ""
    named = _TUPLE.search(reason)
    if named:
        key = dotted(ast.literal_eval(named[2]))
        reason = named[1] + key + reason[named.end() :]
    if at == len(text) and reason.startswith(("Unterminated", "Expected", "Invalid", "Unclosed")):
        reason += " (the file ends here)"
    return _error(reason, text, path, at, key)


def _error(reason: str, text: str, path: str, at: int, key: str = "") -> SpecError:
    lines = text[:at].split("\n")
    every = text.split("\n")
    return SpecError(
        reason,
        path=path,
        key=key or _key_near(every[: len(lines)]),
        line=len(lines),
        column=len(lines[-1]) + 1,
        excerpt=every[len(lines) - 1],
    )


def _key_near(lines: list[str]) -> str:
    """Guess the key that the last of these lines is about: of the header above, and its own."""
    header = own = ""
    for line in reversed(lines):
        found = _HEADER.match(line)
        if found:
            header = found[1]
            break
    found = _KEY.match(lines[-1])
    if found:
        own = found[1]
    return ".".join(part for part in (header, own) if part)


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _where_deep(text: str) -> int:
    """Find where the nesting gets too deep; brackets in strings count, too."""
    depth = at = 0
    for found in re.finditer(r"[\[\]{}]", text):
        at = found.start()
        depth += 1 if found[0] in "[{" else -1
        if depth > _DEEP:
            break
    return at
