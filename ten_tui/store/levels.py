"""Levels of log lines, found cheaply in their text."""

from __future__ import annotations

import re
from typing import NamedTuple

from ten_tui.theme import Ink

_LOOK = 200
"""Characters of a line in which a level is looked for."""

_WORD = re.compile(
    r"(?<![A-Za-z0-9_/.-])"
    r"(?:(?P<bad>FATAL|PANIC|CRIT(?:ICAL)?|EMERG|ALERT|ERR(?:OR)?|Error|error|fatal|panic"
    r"|Traceback|[A-Z][a-zA-Z]+(?:Error|Exception))"
    r"|(?P<warn>WARN(?:ING)?|Warning|warn(?:ing)?)"
    r"|(?P<info>INFO|info|NOTICE|notice)"
    r"|(?P<debug>DEBUG|debug|TRACE|trace))"
    r"(?![A-Za-z0-9_/.-])"
)
_INKS = {"bad": Ink.BAD, "warn": Ink.WARN, "info": Ink.DIM, "debug": Ink.FAINT}


class Level(NamedTuple):
    """Where a level's word stands in a line, and its ink."""

    start: int
    end: int
    ink: Ink


def find_level(text: str) -> Level | None:
    """Find the first word that names a level."""
    found = _WORD.search(text, 0, _LOOK)
    if found is None or found.lastgroup is None:
        return None
    return Level(found.start(), found.end(), _INKS[found.lastgroup])
