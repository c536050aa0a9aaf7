"""Where the console would be drawn; known only where the question was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runtime.doctor.scope import Said, Scope, no, partly, yes

if TYPE_CHECKING:
    from engine.runtime.doctor.scope import Terminal

_COLUMNS = 80


def terminal(scope: Scope) -> Said:
    """Whether there is one."""
    found = _of(scope)
    if not found.is_tty or found.term in {"", "dumb"}:
        return no("the report is not read in one: colours and width are not looked at")
    return yes(found.term)


def colours(scope: Scope) -> Said:
    """How many it has."""
    found = _of(scope)
    if found.colours in {"truecolor", "24bit"}:
        return yes("24 bit")
    if "256" in found.term:
        return partly("gradients have fewer steps", "export COLORTERM=truecolor", detail="256")
    why = "16, by the terminal's own name"
    return partly(why, "export COLORTERM=truecolor if it has more", detail="16")


def utf8(scope: Scope) -> Said:
    """Whether it is told that text is UTF-8."""
    found = _of(scope)
    if found.encoding.lower().replace("-", "") == "utf8":
        return yes(found.encoding)
    why = f"text is {found.encoding}: glyphs are replaced by ASCII"
    return partly(why, "export LANG=C.UTF-8")


def width(scope: Scope) -> Said:
    """Room for the table and its columns."""
    found = _of(scope)
    if found.columns < _COLUMNS:
        return partly("columns are left out below 80", detail=f"{found.columns} columns")
    return yes(f"{found.columns} columns")


def _of(scope: Scope) -> Terminal:
    assert scope.terminal is not None  # noqa: S101 - the group is left out without one
    return scope.terminal
