"""Which time the console looks at: how much of the past graphs show, and the time cursor."""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.metrics import KEEP_SECONDS, LEVELS
from ten_tui import format as fmt

SPANS: tuple[tuple[str, int], ...] = (
    ("5m", 300),
    ("15m", 900),
    ("1h", 3600),
    ("6h", 6 * 3600),
    ("24h", 86400),
    ("7d", 7 * 86400),
    ("30d", 30 * 86400),
    ("90d", KEEP_SECONDS),
)
STEPS = 20
"""The cursor moves by such a part of the span."""

_AHEAD = 0.25
"""So much of the window is shown beyond a cursor that has left it."""


@dataclass
class Timeline:
    """The span of the graphs, and the moment that is looked at.

    Attributes:
        place: Which of `SPANS`.
        at: The time cursor, seconds since 1970; None while the console shows now.
        end: The right edge of the graphs while there is a cursor.
    """

    place: int = 0
    at: float | None = None
    end: float = 0.0

    @property
    def label(self) -> str:
        """The span as people write it."""
        return SPANS[self.place][0]

    @property
    def span(self) -> int:
        """Seconds the graphs show."""
        return SPANS[self.place][1]

    @property
    def is_now(self) -> bool:
        """Whether the console shows what is."""
        return self.at is None

    def edge(self, now: float) -> float:
        """Give the right edge of the graphs."""
        return now if self.at is None else self.end

    def zoom(self, steps: int, now: float) -> bool:
        """Show more or less of the past, the cursor staying where it is; tells whether it did."""
        place = max(0, min(len(SPANS) - 1, self.place + steps))
        if place == self.place:
            return False
        share = (self.end - self.at) / self.span if self.at is not None else 0.0
        self.place = place
        if self.at is not None:
            self.end = min(now, self.at + share * self.span)
        return True

    def go(self, at: float, now: float) -> None:
        """Look at a time; at what is not over yet, the console shows now again."""
        if at >= now:
            self.back()
            return
        if self.at is None:
            self.end = now
        self.at = max(at, now - KEEP_SECONDS)
        if not self.end - self.span <= self.at <= self.end:
            ahead = _AHEAD if self.at > self.end else 1 - _AHEAD
            self.end = min(now, self.at + ahead * self.span)

    def move(self, parts: float, now: float) -> None:
        """Move the cursor by parts of its step, to the past where negative."""
        at = now if self.at is None else self.at
        self.go(at + parts * self.span / STEPS, now)

    def back(self) -> None:
        """Show now again."""
        self.at = None


def bin_seconds(span_seconds: int, bins: int) -> int:
    """Choose how many seconds a column stands for: so that the span fits, in whole kept steps."""
    unit = next(
        (level.step_seconds for level in LEVELS if span_seconds <= level.span_seconds),
        LEVELS[-1].step_seconds,
    )
    wanted = max(1, -(-span_seconds // bins))
    return -(-wanted // unit) * unit


def when(at: float, now: float) -> str:
    """Write the time that is looked at: "14:03:10", with its date where it is not today's."""
    written = fmt.clock(at)
    is_today = fmt.date_clock(at)[:5] == fmt.date_clock(now)[:5]
    return written if is_today else fmt.date_clock(at)
