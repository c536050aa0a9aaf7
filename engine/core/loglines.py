"""Lines out of a ring's bytes: windows, the unended tail, and lines that match.

Works on a snapshot of the segments; whoever holds the files makes one (`engine.daemon.ring`).
A line costs some microseconds wherever it is in the ring. Long work is a generator that gives
None between short steps, so that its driver can look at a clock and let others run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.core.lineindex import BLOCK_BYTES, nth_newline
from engine.core.logquery import SEARCH_BYTES
from engine.core.logscan import (
    LineCounter,
    bounds,
    candidates,
    newlines,
    regions,
    regions_backward,
)
from engine.core.ring import LABELS, NEWLINE, STREAMS, Join
from engine.core.wire import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.logsegment import LineFilter, Segment, Snapshot

MAX_CHARACTERS = 4096
"""A line is cut there; `cut_bytes` says how much is left out."""
LOST_HEAD = "…"
"""Stands for the evicted head of a line of which only the end is kept."""
_BREATH_LINES = 256


class _Piece(NamedTuple):
    """The start of a line's bytes, and what there is besides."""

    head: bytes
    total_bytes: int
    is_head_lost: bool


class _Start(NamedTuple):
    segment: int
    offset: int
    is_lost: bool
    total_bytes: int


class LineReader:
    """Reads lines of one snapshot. Not shared between threads; make one for each use."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Read that snapshot."""
        self._snapshot = snapshot
        self.end = snapshot.before(len(snapshot)).lines
        """Number that the next line will get."""
        self.oldest = self._find_oldest()
        """Number of the first line that is wholly kept."""
        self._place: tuple[Segment, int, bool] | None = None

    def _find_oldest(self) -> int:
        """Skip the lines whose head was evicted: one for each stream at most."""
        if not len(self._snapshot):
            return self.end
        before = self._snapshot.before(0)
        oldest = before.lines
        for _ in range(sum(before.is_open)):
            if oldest >= self.end:
                break
            number, position = self._locate(oldest)
            if not self._piece(number, position, 1).is_head_lost:
                break
            oldest += 1
        return oldest

    # --- windows ---

    def window(self, first: int, count: int) -> list[LogLine]:
        """Give lines [first, first + count), as far as they are kept."""
        stop = min(first + count, self.end)
        first = max(first, self.oldest)
        if first >= stop:
            return []
        lines: list[LogLine] = []
        number, position = self._locate(first)
        while first + len(lines) < stop:
            segment = self._snapshot.segment(number)
            if position < 0:
                number += 1
                position = self._snapshot.segment(number).data.find(
                    NEWLINE, 0, self._snapshot.segment(number).size
                )
                continue
            lines.append(self._line(number, position, first + len(lines)))
            position = segment.data.find(NEWLINE, position + 1, segment.size)
        return lines

    def tail(self) -> LogLine | None:
        """Give the line that is not ended yet, if any; its number is `end`.

        Where several streams have one, it is the one written to last.
        """
        is_open = self._snapshot.before(len(self._snapshot)).is_open
        if not any(is_open):
            return None
        number = len(self._snapshot) - 1
        segment = self._snapshot.segment(number)
        at = segment.records.find(segment.size - 1)
        stream = self._last_open(segment, at, is_open)
        piece = self._assemble(number, segment.size, stream, 4 * MAX_CHARACTERS)
        if not piece.total_bytes:
            return None
        return _log_line(self.end, segment.records.time_ns(at), stream, piece)

    @staticmethod
    def _last_open(segment: Segment, at: int, is_open: tuple[bool, ...]) -> int:
        """Give the stream, of those with an unended line, that was written to last."""
        records = segment.records
        if sum(is_open) > 1:
            for number in range(at, -1, -1):
                stream = int(records.stream(number))
                if is_open[stream] and records.stop(number, segment.size) > records.start(number):
                    return stream
        return is_open.index(True)

    # --- lines that match ---

    @property
    def reached(self) -> int | None:
        """Give the line that `matching` has come to: to go on, begin there; None before."""
        if self._place is None:
            return None
        segment, offset, is_backward = self._place
        return LineCounter(segment).number(offset) - is_backward

    def matching(
        self, wanted: LineFilter, first: int, *, is_backward: bool = False
    ) -> Iterator[LogLine | None]:
        """Give the wanted lines from line `first` on, or from it back; None between steps.

        Backward, `first` itself is the first looked at. A step takes about a millisecond.
        """
        if not is_backward:
            first = max(first, self.oldest)
            if first < self.end:
                yield from self._matching_forward(wanted, *self._locate(first))
            return
        first = min(first, self.end - 1)
        if first >= self.oldest:
            yield from self._matching_backward(wanted, *self._locate(first))

    def _matching_forward(
        self, wanted: LineFilter, number: int, position: int
    ) -> Iterator[LogLine | None]:
        start = self._snapshot.segment(number).data.rfind(NEWLINE, 0, position) + 1
        for n in range(number, len(self._snapshot)):
            yield None
            if not self._overlaps(n, wanted):
                continue
            segment = self._snapshot.segment(n)
            low, high = bounds(segment, wanted)
            low = max(low, start if n == number else 0)
            counter = LineCounter(segment)
            for region in regions(segment, low, high):
                self._place = (segment, region[0], False)
                yield None
                for hit in self._hits(n, segment, *region, wanted):
                    yield None if hit is None else self._number(counter, hit)

    def _matching_backward(
        self, wanted: LineFilter, number: int, position: int
    ) -> Iterator[LogLine | None]:
        for n in range(number, -1, -1):
            yield None
            if not self._overlaps(n, wanted):
                continue
            segment = self._snapshot.segment(n)
            low, high = bounds(segment, wanted)
            high = min(high, position + 1 if n == number else segment.size)
            counter = LineCounter(segment)
            for region in regions_backward(segment, low, high):
                self._place = (segment, region[1], True)
                yield None
                hits = []
                for hit in self._hits(n, segment, *region, wanted):
                    if hit is None:
                        yield None
                    else:
                        hits.append(hit)
                for hit in reversed(hits):
                    line = self._number(counter, hit)
                    if line.number >= self.oldest:
                        yield line

    def _overlaps(self, number: int, wanted: LineFilter) -> bool:
        if not (wanted.since_ns or wanted.until_ns):
            return True
        oldest_ns, newest_ns = self._snapshot.times(number)
        return newest_ns >= wanted.since_ns and (
            not wanted.until_ns or oldest_ns <= wanted.until_ns
        )

    @staticmethod
    def _number(counter: LineCounter, hit: tuple[int, LogLine]) -> LogLine:
        position, line = hit
        return LogLine(
            counter.number(position), line.time_ns, line.stream, line.text, line.cut_bytes
        )

    def _hits(
        self, number: int, segment: Segment, start: int, stop: int, wanted: LineFilter
    ) -> Iterator[tuple[int, LogLine] | None]:
        """Judge the lines that end in a region; lines come with their newline's position."""
        stream = STREAMS.get(wanted.stream)
        places = (
            newlines(segment, start, stop, stream)
            if wanted.query is None
            else candidates(segment, start, stop, wanted.query)
        )
        for looked, position in enumerate(places, 1):
            if looked % _BREATH_LINES == 0:
                yield None
            at = segment.records.find(position)
            if stream is not None and segment.records.stream(at) != stream:
                continue
            piece = self._piece(number, position, SEARCH_BYTES if wanted.query else 0)
            if wanted.query is not None and not wanted.query.accepts(piece.head):
                continue
            time_ns = segment.records.time_ns(at)
            yield position, _log_line(0, time_ns, segment.records.stream(at), piece)

    # --- one line ---

    def _locate(self, line: int) -> tuple[int, int]:
        """Find a kept line's newline: number of its segment, position in it."""
        low, high = 0, len(self._snapshot)
        while high - low > 1:
            middle = (low + high) // 2
            if self._snapshot.before(middle).lines <= line:
                low = middle
            else:
                high = middle
        segment = self._snapshot.segment(low)
        line -= segment.before.lines
        start, before = segment.index.block_of(line)
        block = segment.data[start : min(start + BLOCK_BYTES, segment.size)]
        return low, start + nth_newline(block, line - before)

    def _line(self, number: int, position: int, line: int) -> LogLine:
        records = self._snapshot.segment(number).records
        at = records.find(position)
        piece = self._piece(number, position, 0)
        return _log_line(line, records.time_ns(at), records.stream(at), piece)

    def _piece(self, number: int, position: int, head_bytes: int) -> _Piece:
        """Give the bytes of the line that ends at a newline, cut after `head_bytes` (0: shown)."""
        head_bytes = head_bytes or 4 * MAX_CHARACTERS
        segment = self._snapshot.segment(number)
        at = segment.records.find(position)
        start = segment.data.rfind(NEWLINE, segment.records.start(at), position) + 1
        if not start:
            return self._assemble(number, position, segment.records.stream(at), head_bytes)
        head = segment.data[start : min(position, start + head_bytes)]
        return _Piece(head, position - start, is_head_lost=False)

    def _assemble(self, number: int, stop: int, stream: int, head_bytes: int) -> _Piece:
        """Gather the bytes of a stream's line up to a place, over records and segments."""
        start = self._find_start(number, stop, stream)
        head = bytearray()
        for n in range(start.segment, number + 1):
            segment = self._snapshot.segment(n)
            low = start.offset if n == start.segment else 0
            high = stop if n == number else segment.size
            for run in segment.records.runs(low, high):
                if run.stream == stream:
                    head += segment.data[run.start : min(run.stop, run.start + head_bytes)]
                    if len(head) >= head_bytes:
                        return _Piece(bytes(head[:head_bytes]), start.total_bytes, start.is_lost)
        return _Piece(bytes(head), start.total_bytes, start.is_lost)

    def _find_start(self, number: int, stop: int, stream: int) -> _Start:
        """Walk back to the stream's newline before a place, or to where its bytes are gone."""
        total = 0
        while True:
            segment = self._snapshot.segment(number)
            start, seen = _walk_back(segment, stop, stream)
            total += seen
            if start >= 0:
                return _Start(number, start, is_lost=False, total_bytes=total)
            is_open = segment.before.is_open[stream]
            if number == 0 or segment.join is not Join.GOES_ON or not is_open:
                return _Start(number, 0, is_lost=is_open, total_bytes=total)
            number -= 1
            stop = self._snapshot.segment(number).size


def _walk_back(segment: Segment, stop: int, stream: int) -> tuple[int, int]:
    """Look for a stream's last newline before a place of one segment.

    Blocks without a newline of the stream are stepped over whole.

    Returns: the position after it, or -1, and how many bytes of the stream lie between.
    """
    records, index, total = segment.records, segment.index, 0
    while stop > 0:
        block = (stop - 1) // BLOCK_BYTES
        floor = block * BLOCK_BYTES
        if stop == floor + BLOCK_BYTES and index.is_silent(block, stream):
            total += index.bytes_in(block, stream)
            stop = floor
            continue
        at = records.find(stop - 1)
        start = max(records.start(at), floor)
        if records.stream(at) == stream:
            newline = segment.data.rfind(NEWLINE, start, stop)
            if newline >= 0:
                return newline + 1, total + stop - newline - 1
            total += stop - start
        stop = start
    return -1, total


def _log_line(number: int, time_ns: int, stream: int, piece: _Piece) -> LogLine:
    """Show a line's bytes as text: cut, and with U+FFFD for what is no UTF-8."""
    text, used = cut_text(piece.head, piece.total_bytes)
    prefix = LOST_HEAD if piece.is_head_lost else ""
    return LogLine(number, time_ns, LABELS[stream], prefix + text, piece.total_bytes - used)


def cut_text(head: bytes, total_bytes: int) -> tuple[str, int]:
    """Decode the start of a line, MAX_CHARACTERS at most.

    Args:
        head: Its first bytes, four for each character at least where there are more.
        total_bytes: Its length.

    Returns: the text, and how many of its bytes that is.
    """
    if total_bytes <= len(head) and total_bytes <= MAX_CHARACTERS:
        return head.decode("utf-8", "replace"), total_bytes
    # One character for each broken byte, so that the cut can be measured in bytes again.
    cut = head.decode("utf-8", "surrogateescape")[:MAX_CHARACTERS]
    shown = cut.encode("utf-8", "surrogateescape")
    return shown.decode("utf-8", "replace"), len(shown)
