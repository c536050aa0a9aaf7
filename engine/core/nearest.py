"""Which known word somebody may have meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 60
"""So much of a text is looked at: the comparison takes time by its square."""


def nearest(text: str, known: Iterable[str]) -> str:
    """Give the known word most like a text, "" where none is much like it."""
    return "".join(get_close_matches(text[:_MOST], list(known), n=1))


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Ask for the known word most like a text, "" where none is much like it."""
    near = nearest(text, known)
    return f"did you mean {near}?" if near else ""
