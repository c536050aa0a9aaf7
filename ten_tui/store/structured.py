"""Structured lines: JSON objects and key=value pairs, laid out as rows or as columns."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len, set_cell_size

from ten_tui.format import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WIDEST = 32
"""A column takes so many cells at most; the last takes what is left."""

_LONGEST = 16_384
"""A longer line is shown as it is: parsing it would hold up the picture."""
_MOST_ROWS = 200
_PAIR = re.compile(r'(?:^|\s)([A-Za-z_][\w.-]{0,40})=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_LEAST_PAIRS = 2


@lru_cache(maxsize=4096)
def pretty(text: str) -> tuple[str, ...]:
    """Lay a JSON object or array in a line out over rows; () where there is none.

    What stands before it, a time or a level, stays on the first row.
    """
    found = _json(text)
    if found is None:
        return ()
    at, value = found
    laid = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    rows = [clean(row) for row in (text[:at] + laid).split("\n")]
    if len(rows) < 2:
        return ()
    if len(rows) > _MOST_ROWS:
        rows[_MOST_ROWS:] = [f"… {len(rows) - _MOST_ROWS} more rows"]
    return tuple(rows)


@lru_cache(maxsize=4096)
def fields(text: str) -> Mapping[str, str]:
    """Give what a line says by name, inner names with dots; {} where it says nothing so."""
    found = _json(text)
    if found is not None and isinstance(found[1], dict):
        flat: dict[str, str] = {}
        _flatten("", found[1], flat)
        return flat
    if len(text) > _LONGEST:
        return {}
    pairs = {
        name: clean(value[1:-1] if value.startswith('"') else value)
        for name, value in _PAIR.findall(text)
    }
    return pairs if len(pairs) >= _LEAST_PAIRS else {}


def _json(text: str) -> tuple[int, object] | None:
    """Find a JSON object or array that goes to the end of the line: where it begins, and it."""
    places = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if len(text) > _LONGEST or not places or text.rstrip()[-1:] not in {"}", "]"}:
        return None
    for at in sorted(places):
        try:
            return at, msgspec.json.decode(text[at:])
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            continue
    return None


def _flatten(prefix: str, value: Mapping[str, object], into: dict[str, str]) -> None:
    for name, inner in value.items():
        if isinstance(inner, dict) and len(into) < _MOST_ROWS:
            _flatten(f"{prefix}{name}.", inner, into)
        elif isinstance(inner, str):
            into[prefix + name] = clean(inner)
        else:
            into[prefix + name] = clean(msgspec.json.encode(inner).decode())


def widths(texts: Iterable[str], names: tuple[str, ...], known: dict[str, int]) -> None:
    """Let columns grow to what they must hold; they never shrink, so that nothing twitches."""
    for text in texts:
        found = fields(text)
        for name in names:
            wide = min(WIDEST, max(cell_len(found.get(name, "")), len(name)))
            if wide > known.get(name, 0):
                known[name] = wide


def columns(text: str, names: tuple[str, ...], known: Mapping[str, int]) -> str | None:
    """Write the named fields of a line in columns; None where it has none of them."""
    found = fields(text)
    if not any(name in found for name in names):
        return None
    cells = [set_cell_size(found.get(name, ""), known.get(name, 1)) for name in names[:-1]]
    return "  ".join([*cells, found.get(names[-1], "")])
