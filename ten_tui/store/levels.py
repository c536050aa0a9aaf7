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
_NUMBER = re.compile(r'"level":\s*(?P<number>[1-6]0)\b')
"""Levels of pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal."""

_NUMBERED = {"1": "debug", "2": "debug", "3": "info", "4": "warn", "5": "bad", "6": "bad"}

_GLOG = re.compile(r"[FEWI](?=\d{4} \d\d:\d\d:\d\d)")
"""The letter that klog and glog lines begin with."""

_LETTERS = {"F": "bad", "E": "bad", "W": "warn", "I": "info"}

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
        return _by_sign(text)
    return Level(found.start(), found.end(), _INKS[found.lastgroup])


def _by_sign(text: str) -> Level | None:
    """Find a level that is no word: a number of JSON, or a letter before the date."""
    if found := _GLOG.match(text):
        return Level(0, 1, _INKS[_LETTERS[found[0]]])
    if text.startswith("{") and (found := _NUMBER.search(text, 0, _LOOK)):
        start, end = found.span("number")
        return Level(start, end, _INKS[_NUMBERED[found["number"][0]]])
    return None
