"""The last minute of an instance's log rate, in bins that move seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 10
BIN_SECONDS = 6


class Spark:
    """Mean lines and error lines a second, in ten bins of six seconds.

    Bins are aligned to the clock: a row of the table changes every six seconds and at its newest
    cell, not in all ten cells every second.
    """

    __slots__ = ("_count", "_first", "_index", "errors", "lines")

    def __init__(self) -> None:
        """Begin with silence."""
        self.lines = [0.0] * BINS
        self.errors = [0.0] * BINS
        self._index = self._first = 0
        self._count = 0

    def add(self, time: float, lines: float, errors: float) -> None:
        """Take one second's rates."""
        index = int(time // BIN_SECONDS)
        self._first = self._first or index
        steps = min(BINS, index - self._index)
        if steps > 0:
            for series in (self.lines, self.errors):
                series[:] = series[steps:] + [0.0] * steps
            self._index, self._count = index, 0
        self._count += 1
        self.lines[-1] += (lines - self.lines[-1]) / self._count
        self.errors[-1] += (errors - self.errors[-1]) / self._count

    def fill(self, time: float, lines: Sequence[float], errors: Sequence[float]) -> None:
        """Take the rates of the ten bins up to a time; those that were added here stay."""
        index = int(time // BIN_SECONDS)
        self._index = self._index or index
        self._first = self._first or index + 1
        for series, found in ((self.lines, lines), (self.errors, errors)):
            for back, rate in enumerate(reversed(found)):
                place = BINS - 1 - (self._index - index) - back
                if 0 <= place < BINS and index - back < self._first:
                    series[place] = rate
