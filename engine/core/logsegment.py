"""What a reader of log lines works on: segments, a snapshot of them, and which lines it wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from engine.core.lineindex import LineIndex
    from engine.core.logquery import Data, Query
    from engine.core.ring import Join, Records, Tally


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as a reader sees it.

    Attributes:
        before: Counts up to its start.
        join: Whether lines begun before it go on in it.
        size: Bytes of it that this snapshot shows.
        index: Counted up to `size`.
    """

    before: Tally
    join: Join
    size: int
    data: Data
    records: Records
    index: LineIndex


class Snapshot(Protocol):
    """The segments of a ring at one moment, oldest first; each is loaded when it is asked for."""

    def __len__(self) -> int:
        """Count the segments."""
        ...

    def before(self, number: int) -> Tally:
        """Give the counts up to a segment's start; for the number after the last, the ring's."""
        ...

    def times(self, number: int) -> tuple[int, int]:
        """Give the times of a segment's first and last record."""
        ...

    def segment(self, number: int) -> Segment:
        """Load a segment."""
        ...


class LineFilter(NamedTuple):
    """Which lines are wanted.

    Attributes:
        stream: "stdout", "stderr", "access", or "" for all.
        since_ns: Not older; 0 for no bound.
        until_ns: Not newer; 0 for no bound.
        query: None: any text.
    """

    stream: str = ""
    since_ns: int = 0
    until_ns: int = 0
    query: Query | None = None

    @property
    def is_all(self) -> bool:
        """Whether every line is wanted."""
        return self.query is None and not (self.stream or self.since_ns or self.until_ns)
