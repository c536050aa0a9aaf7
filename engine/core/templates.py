"""What log lines have in common: their text without numbers, ids, addresses and times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.core.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLE = "#"
"""Stands for what differs from line to line."""

MAX_CHARACTERS = 512
"""No more of a line is looked at, so that a long one costs no more than a short one."""

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# Each of these takes at least one ASCII digit and none is left over, so a template is its own.
_VARYING = re.compile(
    rf"""
    \b [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [T\ ] [0-9][0-9:.,]* (?: Z | [+-][0-9]{{2}}:?[0-9]{{2}} )?
  | \b {_MONTH} [ ]+ [0-9]{{1,2}} [ ]+ [0-9][0-9:.]*            # as syslog writes it
  | \b [0-9]{{1,2}} / {_MONTH} / [0-9]{{4}} [0-9:]* (?: [ ][+-][0-9]{{4}} )?  # as web servers do
  | \b (?= [a-f-]*[0-9] ) [0-9a-f]{{8}} (?: -[0-9a-f]{{4}} ){{3}} -[0-9a-f]{{12}} \b    # UUID
  | \b (?= [A-F-]*[0-9] ) [0-9A-F]{{8}} (?: -[0-9A-F]{{4}} ){{3}} -[0-9A-F]{{12}} \b
  | \b 0[xX] [0-9a-fA-F]+ \b
  | \b (?= [a-fA-F]*[0-9] ) [0-9a-fA-F]{{6,}} \b                # hash, request id
  | \b (?= [a-zA-Z]*[0-9] ) [0-9a-zA-Z]{{16,}} \b               # ULID, token
  | \[ (?= [a-fA-F:]*[0-9] ) [0-9a-fA-F:.]*:[0-9a-fA-F:.]* \] (?: :[0-9]+ )?  # IPv6 address
  | (?<![\w\])]) [+-]? [0-9]+ (?: [.:,/-][0-9]+ )* (?: [eE][+-]?[0-9]+ )?
  | [0-9]+ (?: [.:,/-][0-9]+ )*
    """,
    re.VERBOSE,
)


def template(line: str) -> str:
    """Give what lines alike but for numbers, ids, addresses and times have in common.

    It is safe to draw, no longer than `MAX_CHARACTERS`, and its own template. Linear in what is
    looked at of the line.
    """
    return _VARYING.sub(HOLE, sanitize(line[:MAX_CHARACTERS], tab=1)[:MAX_CHARACTERS])


class Difference(NamedTuple):
    """How often lines of one kind came from two sides.

    Attributes:
        template: What they have in common.
        sample: The latest of them, from the new side if it has any.
    """

    template: str
    old: int
    new: int
    sample: str


def difference(old: Iterable[str], new: Iterable[str], most: int = 20) -> tuple[Difference, ...]:
    """Compare two sides' lines by template: what is only new first, then what came to be more.

    Args:
        old: Lines of the old side.
        new: Lines of the new side.
        most: Give so many templates at most.
    """
    sides: tuple[dict[str, int], dict[str, int]] = {}, {}
    samples: dict[str, str] = {}
    for counts, lines in zip(sides, (old, new), strict=True):
        for line in lines:
            kind = template(line)
            counts[kind] = counts.get(kind, 0) + 1
            samples[kind] = line
    before, after = sides
    found = [
        Difference(kind, before.get(kind, 0), after.get(kind, 0), sample)
        for kind, sample in samples.items()
    ]
    found.sort(key=lambda each: (each.old > 0, each.old - each.new, each.template))
    return tuple(found[:most])
