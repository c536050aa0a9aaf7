"""Where the newlines of a segment are: counts by block, kept while the bytes come in or later."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from engine.core.ring import NEWLINE, Run, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLOCK_BYTES = 128 * 1024
"""Newlines are counted by block: a line is found by counting within one block."""
MAX_SEAMS = 65_536


class LineIndex:
    """Where the newlines of one segment are, to within a block.

    Fed with the segment's bytes in order, while they are captured or later. Takes some 24 bytes
    for each block, and 4 for each seam: a seam is the end of a line whose bytes do not lie side
    by side, because the other stream came in between or its head is in an earlier segment.

    Attributes:
        counted: Bytes seen so far.
        lines: Newlines among them.
        errors: Those on stderr.
        seams: Positions of the newlines that end lines in several pieces, ascending; None where
            there are more than MAX_SEAMS of them.
    """

    __slots__ = (
        "_block_error_bytes",
        "_block_errors",
        "_block_lines",
        "_ends",
        "_error_bytes",
        "_is_open",
        "_is_ragged",
        "counted",
        "errors",
        "lines",
        "seams",
    )

    def __init__(self, is_open: Sequence[bool] = (False, False)) -> None:
        """Start at a segment's first byte; `is_open` is the tally's there."""
        self.counted = 0
        self.lines = 0
        self.errors = 0
        self.seams: array[int] | None = array("I")
        self._is_open = list(is_open)
        self._is_ragged = list(is_open)
        self._ends = [-1, -1]
        self._error_bytes = 0
        self._block_lines = array("I", [0])
        self._block_errors = array("I", [0])
        self._block_error_bytes = array("I", [0])

    def copy(self) -> LineIndex:
        """Copy it, so that a reader on another thread can keep it while this one grows."""
        other = LineIndex(self._is_open)
        for name in ("counted", "lines", "errors", "_error_bytes"):
            setattr(other, name, getattr(self, name))
        for name in ("_is_ragged", "_ends", "_block_lines", "_block_errors", "_block_error_bytes"):
            setattr(other, name, getattr(self, name)[:])
        other.seams = None if self.seams is None else self.seams[:]
        return other

    @property
    def cost_bytes(self) -> int:
        """Roughly what it takes in memory."""
        return 600 + 12 * len(self._block_lines) + 4 * len(self.seams or ())

    @property
    def is_open(self) -> tuple[bool, bool]:
        """For each stream, whether its last line is not ended."""
        return self._is_open[0], self._is_open[1]

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
            self._block_errors.append(self.errors)
            self._block_error_bytes.append(self._error_bytes)

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
            self.errors += newlines * stream
        self._error_bytes += (stop - start) * stream
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
        errors = self._block_errors[block + 1] - self._block_errors[block]
        if stream:
            return errors == 0
        return self._block_lines[block + 1] - self._block_lines[block] == errors

    def bytes_in(self, block: int, stream: int) -> int:
        """Give how many bytes of a stream a whole counted block holds."""
        errors = self._block_error_bytes[block + 1] - self._block_error_bytes[block]
        return errors if stream else BLOCK_BYTES - errors


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
