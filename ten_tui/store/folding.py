"""Lines alike but for numbers, ids and times, one after the other, as one row of the log."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.core.templates import template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.core.wire import LogLine

MANY = 200
"""So many lines are at hand at least while lines are folded: they fill few rows."""

_kind = lru_cache(maxsize=8192)(template)


class Fold(NamedTuple):
    """Lines that are shown as one.

    Attributes:
        first, last: Places among the lines at hand.
    """

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def folds(lines: Sequence[LogLine]) -> list[Fold]:
    """Put lines together; one that is like neither neighbour is a fold of one."""
    found: list[Fold] = []
    for place, line in enumerate(lines):
        if found and _are_alike(lines[place - 1], line):
            found[-1] = Fold(found[-1].first, place)
        else:
            found.append(Fold(place, place))
    return found


def newest(lines: Sequence[LogLine], count: int) -> list[Fold]:
    """Give the last folds, in order, without looking at more lines than they have."""
    return list(_from_end(lines, count))[::-1]


def _from_end(lines: Sequence[LogLine], count: int) -> Iterator[Fold]:
    last = place = len(lines) - 1
    while place >= 0 and count > 0:
        if place and _are_alike(lines[place - 1], lines[place]):
            place -= 1
            continue
        yield Fold(place, last)
        count -= 1
        last = place = place - 1


def shown(line: LogLine, count: int) -> str:
    """Write many lines as one: how many, and what they have in common."""
    return f"×{count} {_kind(line.text)}"


def _are_alike(one: LogLine, other: LogLine) -> bool:
    return one.stream == other.stream and _kind(one.text) == _kind(other.text)
