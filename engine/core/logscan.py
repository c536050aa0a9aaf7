"""Steps of a search through one segment: which part, in which pieces, which lines may match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.lineindex import BLOCK_BYTES
from engine.core.ring import NEWLINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.core.logquery import Query
    from engine.core.logsegment import LineFilter, Segment

FIRST_REGION_BYTES = 8 * 1024
REGION_BYTES = 256 * 1024
"""What a search scans in one step."""


class LineCounter:
    """Numbers newlines of one segment; cheap where they are asked for side by side."""

    def __init__(self, segment: Segment) -> None:
        """Start at the segment's first byte."""
        self._segment = segment
        self._position, self._before = 0, 0

    def number(self, position: int) -> int:
        """Give the ring's number of the line that ends at `position`."""
        segment = self._segment
        if not 0 <= position - self._position <= BLOCK_BYTES:
            self._position, self._before = segment.index.lines_before_block(position)
        self._before += segment.data[self._position : position].count(NEWLINE)
        self._position = position
        return segment.before.lines + self._before


def bounds(segment: Segment, wanted: LineFilter) -> tuple[int, int]:
    """Give the part of a segment that lies in the wanted time. Times rise within a segment."""
    records, low, high = segment.records, 0, segment.size
    if wanted.since_ns:
        at = records.since(wanted.since_ns)
        low = records.start(at) if at < len(records) else segment.size
        low = segment.data.rfind(NEWLINE, 0, low) + 1
    if wanted.until_ns:
        at = records.since(wanted.until_ns + 1)
        high = min(records.start(at), segment.size) if at < len(records) else segment.size
    return low, high


def regions(segment: Segment, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut [start, stop) after newlines into regions of about REGION_BYTES, in order."""
    while start < stop:
        end = stop
        if start + REGION_BYTES < stop:
            end = segment.data.rfind(NEWLINE, start, start + REGION_BYTES) + 1
            if not end:
                end = segment.data.find(NEWLINE, start + REGION_BYTES, stop) + 1 or stop
        yield start, end
        start = end


def regions_backward(segment: Segment, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut [start, stop) as regions does, the last region first.

    The first ones are short: all of a region is judged before its last match is known, and a
    match near the end should not wait for many others.
    """
    length = FIRST_REGION_BYTES
    while start < stop:
        begin = start
        if start + length < stop:
            begin = segment.data.rfind(NEWLINE, start, stop - length) + 1 or start
        yield begin, stop
        stop = begin
        length = min(2 * length, REGION_BYTES)


def newlines(segment: Segment, start: int, stop: int, stream: int | None) -> Iterator[int]:
    """List the newlines in [start, stop), over the other stream's runs by leaps."""
    find = segment.data.find
    if stream is None:
        position = find(NEWLINE, start, stop)
        while position >= 0:
            yield position
            position = find(NEWLINE, position + 1, stop)
        return
    for run in segment.records.runs(start, stop):
        if run.stream == stream:
            yield from newlines(segment, run.start, run.stop, None)


def candidates(segment: Segment, start: int, stop: int, query: Query) -> Iterator[int]:
    """List the newlines in [start, stop) of lines that may match, in order.

    A line whose bytes lie side by side shows its match in the raw bytes; the ends of the others
    are the index's seams, and they are always candidates.
    """
    if segment.index.seams is None:
        yield from newlines(segment, start, stop, None)
        return
    seams = _between(segment.index.seams, start, stop)
    seam = next(seams, stop)
    while start < stop:
        place = query.first(segment.data, start, stop)
        position = segment.data.find(NEWLINE, place, stop) if place >= 0 else -1
        limit = position if position >= 0 else stop
        while seam < limit:
            yield seam
            seam = next(seams, stop)
        if position < 0:
            return
        if seam == position:
            seam = next(seams, stop)
        yield position
        start = position + 1


def _between(seams: Iterable[int], start: int, stop: int) -> Iterator[int]:
    return (seam for seam in seams if start <= seam < stop)
