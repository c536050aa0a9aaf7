"""Where the newlines of a segment are: counts by block, kept while the bytes come in or later."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from engine.core.ring import NEWLINE, NONE_OPEN, Run, Stream, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLOCK_BYTES = 128 * 1024
"""Newlines are counted by block: a line is found by counting within one block."""
MAX_SEAMS = 65_536


class LineIndex:
    """Where the newlines of one segment are, to within a block.

    Fed with the segment's bytes in order, while they are captured or later. Takes some 28 bytes
    for each block, and 4 for each seam: a seam is the end of a line whose bytes do not lie side
    by side, because another stream came in between or its head is in an earlier segment.

    Attributes:
        counted: Bytes seen so far.
        lines: Newlines among them.
        seams: Positions of the newlines that end lines in several pieces, ascending; None where
            there are more than MAX_SEAMS of them.
    """

    __slots__ = (
        "_block_lines",
        "_block_stream_bytes",
        "_block_stream_lines",
        "_ends",
        "_is_open",
        "_is_ragged",
        "_stream_bytes",
        "_stream_lines",
        "counted",
        "lines",
        "seams",
    )

    def __init__(self, is_open: Sequence[bool] = NONE_OPEN) -> None:
        """Start at a segment's first byte; `is_open` is the tally's there."""
        self.counted = 0
        self.lines = 0
        self.seams: array[int] | None = array("I")
        self._is_open = list(is_open)
        self._is_ragged = list(is_open)
        self._ends = [-1 for _ in Stream]
        self._stream_lines = [0 for _ in Stream]
        self._stream_bytes = [0 for _ in Stream]
        self._block_lines = array("I", [0])
        self._block_stream_lines = [array("I", [0]) for _ in Stream]
        self._block_stream_bytes = [array("I", [0]) for _ in Stream]

    def copy(self) -> LineIndex:
        """Copy it, so that a reader on another thread can keep it while this one grows."""
        other = LineIndex(self._is_open)
        for name in ("counted", "lines"):
            setattr(other, name, getattr(self, name))
        for name in ("_is_ragged", "_ends", "_stream_lines", "_stream_bytes", "_block_lines"):
            setattr(other, name, getattr(self, name)[:])
        for name in ("_block_stream_lines", "_block_stream_bytes"):
            setattr(other, name, [counts[:] for counts in getattr(self, name)])
        other.seams = None if self.seams is None else self.seams[:]
        return other

    @property
    def cost_bytes(self) -> int:
        """Roughly what it takes in memory."""
        return 1000 + 28 * len(self._block_lines) + 4 * len(self.seams or ())

    @property
    def errors(self) -> int:
        """Newlines on stderr."""
        return self._stream_lines[Stream.STDERR]

    @property
    def is_open(self) -> tuple[bool, bool, bool]:
        """For each stream, whether its last line is not ended."""
        out, err, access = self._is_open
        return out, err, access

    def room(self) -> int:
        """Give how many bytes the present block still takes."""
        return BLOCK_BYTES - self.counted % BLOCK_BYTES

    def add(self, data: bytes | bytearray, runs: Iterable[Run]) -> None:
        """Count the bytes that follow; at most `room()` of them.

        Args:
            data: Holds the bytes from `counted` on; more may follow.
            runs: Cover exactly the new bytes, by position in the segment.
        """
        base = self.counted
        for run in runs:
            self._add_run(data, base, run)
            self.counted = run.stop
        if self.counted % BLOCK_BYTES == 0 and self.counted > base:
            self._block_lines.append(self.lines)
            for stream in Stream:
                self._block_stream_lines[stream].append(self._stream_lines[stream])
                self._block_stream_bytes[stream].append(self._stream_bytes[stream])

    def _add_run(self, data: bytes | bytearray, base: int, run: Run) -> None:
        stream = run.stream
        start, stop = run.start - base, run.stop - base
        if self._is_open[stream] and run.start != self._ends[stream]:
            self._is_ragged[stream] = True
        newlines = data.count(NEWLINE, start, stop)
        if newlines:
            if self._is_ragged[stream]:
                self._add_seam(base + data.find(NEWLINE, start, stop))
                self._is_ragged[stream] = False
            self.lines += newlines
            self._stream_lines[stream] += newlines
        self._stream_bytes[stream] += stop - start
        self._is_open[stream] = data[stop - 1] != NEWLINE[0]
        self._ends[stream] = run.stop

    def _add_seam(self, position: int) -> None:
        if self.seams is not None and len(self.seams) < MAX_SEAMS:
            self.seams.append(position)
        else:
            self.seams = None

    def after(self, before: Tally) -> Tally:
        """Give the counts at this segment's end from those at its start."""
        return Tally(before.lines + self.lines, before.errors + self.errors, self.is_open)

    def block_of(self, line: int) -> tuple[int, int]:
        """Find the block that holds newline number `line` (from 0) of the segment.

        Returns: where the block starts, and how many newlines are before it.
        """
        block = bisect_right(self._block_lines, line) - 1
        return block * BLOCK_BYTES, self._block_lines[block]

    def lines_before_block(self, offset: int) -> tuple[int, int]:
        """Give the start of the block that byte `offset` is in, and the newlines before it."""
        block = min(offset // BLOCK_BYTES, len(self._block_lines) - 1)
        return block * BLOCK_BYTES, self._block_lines[block]

    def is_silent(self, block: int, stream: int) -> bool:
        """Tell whether a whole counted block holds no newline of a stream."""
        if block + 1 >= len(self._block_lines):
            return False
        lines = self._block_stream_lines[stream]
        return lines[block + 1] == lines[block]

    def bytes_in(self, block: int, stream: int) -> int:
        """Give how many bytes of a stream a whole counted block holds."""
        counts = self._block_stream_bytes[stream]
        return counts[block + 1] - counts[block]


def nth_newline(data: bytes, number: int) -> int:
    """Find newline `number` (from 0) of some bytes by halving; -1 where there are fewer."""
    low, high = 0, len(data)
    if number < 0 or data.count(NEWLINE) <= number:
        return -1
    while high - low > 256:
        middle = (low + high) // 2
        before = data.count(NEWLINE, low, middle)
        if number < before:
            high = middle
        else:
            low = middle
            number -= before
    position = low - 1
    for _ in range(number + 1):
        position = data.find(NEWLINE, position + 1)
    return position
