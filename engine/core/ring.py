"""The log ring's form on disk and its arithmetic: headers, index records, line counts, eviction.

A ring is one sequence of bytes, cut into segments of a few MiB. A segment is two files: the
bytes as they came, and an index of a header and records. A record says where in the segment a
run of bytes begins, when it came and on which stream; it is written *before* its bytes, and its
length is what lies before the next record. So whoever is killed between the two leaves a record
of no bytes, which the next one overrules, and never a byte that nobody knows the stream of.

Line k is the one ended by the k-th newline of the whole sequence, whichever stream it is on.

Integers are in the host's byte order: a ring stays on its machine.

Segments of before there was an access log have one bit for the stream in their records, and a
name of their own in the header (`is_old`). They are read as they are; new bytes begin a segment.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from enum import IntEnum
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MIN_LIMIT_BYTES = 1024 * 1024
DEFAULT_LIMIT_BYTES = 64 * 1024 * 1024
MAX_SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENTS_A_RING = 8
"""A ring holds at least that many segments, so that eviction takes at most an eighth of it."""

NEWLINE = b"\n"

_HEADER = Struct("=8sQQQ16sII8x")
_RECORD = Struct("=QQ")
_MAGIC = b"TENRING2"
_OLD_MAGIC = b"TENRING1"
HEADER_BYTES = _HEADER.size
RECORD_BYTES = _RECORD.size

_IS_KNOWN, _OPENS, _JOIN_SHIFT, _JOIN_MASK = 1, (2, 4, 32), 3, 3
_STREAM_BITS, _STREAM_MASK = 2, 3


class Stream(IntEnum):
    """Where a byte came out; the value is part of its index record.

    ACCESS is not the program's: the doors write a line for each request there.
    """

    STDOUT = 0
    STDERR = 1
    ACCESS = 2

    @property
    def label(self) -> str:
        """The wire's word for it: "stdout", "stderr" or "access"."""
        return LABELS[self]


LABELS = ("stdout", "stderr", "access")
"""The wire's words, by stream."""
STREAMS = {stream.label: stream for stream in Stream}
"""Streams by the wire's words."""
NONE_OPEN = (False, False, False)
_KNOWN = frozenset(Stream)


class Tally(NamedTuple):
    """What is known of everything before one place of the sequence.

    Attributes:
        lines: Newlines before it.
        errors: Those of them on stderr.
        is_open: For each stream, whether its last line before the place is not ended.
    """

    lines: int = 0
    errors: int = 0
    is_open: tuple[bool, bool, bool] = NONE_OPEN


class Join(IntEnum):
    """How a segment's first lines hang together with the segment before."""

    GOES_ON = 0
    """A line may begin there and end here."""
    FRESH = 1
    """Lines begin anew: the machine was started again in between."""
    GAP = 2
    """Bytes in between are lost: the first line of each stream may lack its head."""

    def apply(self, before: Tally) -> Tally:
        """Give the counts at the segment's start from those at the end of the one before."""
        if self is Join.GOES_ON:
            return before
        is_gap = self is Join.GAP
        return before._replace(is_open=(is_gap, is_gap, is_gap))


class Header(NamedTuple):
    """The first bytes of an index file.

    Attributes:
        base: Bytes of the whole sequence before this segment, as when it was begun.
        before: Counts up to its start; None while they are not known yet.
        join: How it follows the segment before.
        boot: Which boot of the machine last vouched for the segment (16 bytes).
        is_old: Its records are of the form before there was an access log.
    """

    base: int
    before: Tally | None
    join: Join
    boot: bytes
    is_old: bool = False


def pack_header(header: Header) -> bytes:
    """Write a header as its HEADER_BYTES bytes, with a checksum."""
    before = header.before or Tally()
    flags = (
        _IS_KNOWN * (header.before is not None)
        | sum(bit for bit, is_open in zip(_OPENS, before.is_open, strict=True) if is_open)
        | header.join << _JOIN_SHIFT
    )
    magic = _OLD_MAGIC if header.is_old else _MAGIC
    fields = (magic, header.base, before.lines, before.errors, header.boot, flags)
    checksum = zlib.crc32(_HEADER.pack(*fields, 0))
    return _HEADER.pack(*fields, checksum)


def unpack_header(data: bytes) -> Header | None:
    """Read a header back; None where the bytes are not one (short, torn, or of another form)."""
    if len(data) < HEADER_BYTES:
        return None
    magic, base, lines, errors, boot, flags, checksum = _HEADER.unpack_from(data)
    whole = _HEADER.pack(magic, base, lines, errors, boot, flags, 0)
    if magic not in (_MAGIC, _OLD_MAGIC) or zlib.crc32(whole) != checksum:
        return None
    out, err, access = (bool(flags & bit) for bit in _OPENS)
    before = Tally(lines, errors, (out, err, access)) if flags & _IS_KNOWN else None
    join = Join(flags >> _JOIN_SHIFT & _JOIN_MASK)
    return Header(base, before, join, boot, is_old=magic == _OLD_MAGIC)


def pack_record(start: int, stream: Stream, time_ns: int, *, is_old: bool = False) -> bytes:
    """Write the record of the run that begins at byte `start` of its segment.

    In the old form the stream is one of the program's own two.
    """
    return _RECORD.pack(start << (1 if is_old else _STREAM_BITS) | stream, time_ns)


class Run(NamedTuple):
    """Bytes [start, stop) of a segment, all of one stream."""

    start: int
    stop: int
    stream: int


class Records:
    """The records of one segment, read in place: nothing is unpacked until it is asked for.

    Times do not fall from one record to the next. A record that is followed by one of the same
    start has no bytes.
    """

    __slots__ = ("_marks", "_times")

    def __init__(self, data: bytes, *, is_old: bool = False) -> None:
        """Take whole records; a rest shorter than one is left out. The old form is converted."""
        whole = len(data) - len(data) % RECORD_BYTES
        words = memoryview(data)[:whole].cast("Q")
        self._marks: Sequence[int] = words[0::2]
        if is_old:
            self._marks = array("Q", (mark >> 1 << _STREAM_BITS | mark & 1 for mark in words[0::2]))
        self._times = words[1::2]

    def __len__(self) -> int:
        """Count the records."""
        return len(self._marks)

    def start(self, number: int) -> int:
        """Give where a record's run begins."""
        return self._marks[number] >> _STREAM_BITS

    def stream(self, number: int) -> Stream:
        """Give a record's stream."""
        return Stream(self._marks[number] & _STREAM_MASK)

    def time_ns(self, number: int) -> int:
        """Give when a record's run began to come in."""
        return self._times[number]

    def find(self, offset: int) -> int:
        """Give the record whose run holds byte `offset`. O(log records)."""
        return bisect_right(self._marks, offset << _STREAM_BITS | _STREAM_MASK) - 1

    def stop(self, number: int, size: int) -> int:
        """Give where a record's run ends in a segment of `size` bytes."""
        following = number + 1
        if following >= len(self._marks):
            return size
        return min(self._marks[following] >> _STREAM_BITS, size)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """List the runs of bytes [start, stop), in order, empty ones left out."""
        number = self.find(start)
        at = start
        while at < stop:
            end = self.stop(number, stop)
            if end > at:
                yield Run(at, end, self._marks[number] & _STREAM_MASK)
                at = end
            number += 1

    def since(self, time_ns: int) -> int:
        """Give the first record not older than a time; their number where there is none."""
        return bisect_right(self._times, time_ns - 1)

    def count_valid(self, size: int) -> int:
        """Count the leading records that can be right in a segment of `size` bytes.

        They begin at byte 0, neither starts nor times fall, and no start is past the size.
        What a torn write leaves (zeros, half a record, another file's bytes) ends the count.
        """
        if not len(self) or self.start(0) != 0 or not self.time_ns(0):
            return 0
        pairs = zip(pairwise(self._marks), pairwise(self._times), strict=True)
        for number, ((mark, following), (time_ns, later)) in enumerate(pairs, 1):
            start, stop = mark >> _STREAM_BITS, following >> _STREAM_BITS
            is_known = following & _STREAM_MASK in _KNOWN
            if stop < start or later < time_ns or stop > size or not is_known:
                return number
        return len(self)


def segment_bytes(limit_bytes: int) -> int:
    """Give how large a segment of a ring grows, its index included."""
    limit_bytes = max(limit_bytes, MIN_LIMIT_BYTES)
    return min(limit_bytes // SEGMENTS_A_RING, MAX_SEGMENT_BYTES)


def count_evictions(sizes: Sequence[int], limit_bytes: int, incoming_bytes: int) -> int:
    """Choose how many of the oldest segments go before so many bytes come in.

    The newest stays whatever its size. Small segments (a machine that is switched off often, a
    clock set back) count as an eighth of a full one at least, so that the number of files stays
    bounded too.

    Args:
        sizes: Bytes of each segment with its index, oldest first.
        limit_bytes: What the ring may hold.
        incoming_bytes: What is about to be written.
    """
    least = segment_bytes(limit_bytes) // 8
    weights = [max(size, least) for size in sizes[:-1]]
    total = sum(weights) + sum(sizes[-1:]) + incoming_bytes
    evicted = 0
    while evicted < len(weights) and total > max(limit_bytes, MIN_LIMIT_BYTES):
        total -= weights[evicted]
        evicted += 1
    return evicted
