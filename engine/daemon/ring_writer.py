"""The writing half of a ring: where the next bytes go, what is evicted, how many lines there are.

One thread writes; counting (`settle`) may run on another at the same time.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.lineindex import LineIndex
from engine.core.names import split_instance
from engine.core.ring import (
    MIN_LIMIT_BYTES,
    RECORD_BYTES,
    Join,
    Run,
    Stream,
    Tally,
    count_evictions,
    segment_bytes,
)
from engine.daemon.ring_files import BlockBuffer, SegmentFile, Written, open_segments

if TYPE_CHECKING:
    from engine.daemon.ring_shared import Surroundings

SAME_RECORD_NS = 1_000_000
"""Bytes of one stream that come within that time share an index record."""
MAX_RECORD_BYTES = 4 * 1024 * 1024
COUNT_AT_ONCE_BYTES = 256 * 1024
"""What comes in smaller pieces is counted on arrival, while it is in the processor's cache."""
_CLOCK_STEP_NS = 1_000_000_000
_MIN_ROOM_BYTES = 4096


class RingWriter:
    """One instance's output on its way to disk, up to a limit; the oldest segment goes first.

    Attributes:
        name: "service:id".
        folder: Where its files are.
        bytes_total: Bytes taken in since this object was made.
    """

    def __init__(self, around: Surroundings, name: str, limit_bytes: int) -> None:
        """Find the ring's segments; `RingStore.ring` is the way to get one.

        Raises:
            Refused: Not a valid name.
        """
        service, ident = split_instance(name)
        self.name = name
        self.folder = str(around.root / service / ident)
        self.bytes_total = 0
        self._around = around
        self._lock = threading.RLock()
        self._limit_bytes = max(limit_bytes, MIN_LIMIT_BYTES)
        self._segment_bytes = segment_bytes(limit_bytes)
        self._segments, self._is_anew = open_segments(self.folder, around.boot)
        self._size = sum(segment.total_size for segment in self._segments)
        self._written: Written | None = None
        self._noted: Stream | None = None
        self._noted_ns = 0
        self._noted_at = 0
        self._is_marked = True
        if self._segments and self._segments[0].before is None:
            # What it followed is lost before it was counted: numbers begin anew.
            self._segments[0].before = self._segments[0].join.apply(Tally())
            for segment in self._segments[1:]:
                segment.before = None

    # --- the loop's thread ---

    def splice_from(self, fd: int, stream: Stream, count: int) -> int:
        """Move up to `count` bytes from a pipe into the ring, without copying them here.

        At most what the present segment still takes, so fewer may move than there are.

        Returns: how many bytes moved; 0 where the pipe has no writer left.

        Raises:
            BlockingIOError: The pipe is empty.
            OSError: The disk is full (ENOSPC, EDQUOT) or broken. Nothing is lost: the bytes
                stay in the pipe.
        """
        segment, written, room = self._make_ready(stream, count, self._around.clock())
        moved = os.splice(
            fd,
            written.data,
            min(count, room),
            offset_dst=segment.size,
            flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE,
        )
        self._grow(segment, written, stream, moved)
        return moved

    def append(self, data: bytes, stream: Stream, time_ns: int | None = None) -> None:
        """Write bytes of our own, for example the notice that the program was killed."""
        view = memoryview(data)
        while view:
            now = self._around.clock() if time_ns is None else time_ns
            segment, written, room = self._make_ready(stream, len(view), now)
            moved = os.pwrite(written.data, view[:room], segment.size)
            self._grow(segment, written, stream, moved)
            view = view[moved:]

    def end_lines(self) -> None:
        """End the lines that are not ended: their program is gone and will not go on.

        Without it the next run's first words would be the end of this one's last line.
        """
        for stream, is_open in zip(Stream, self.tally().is_open, strict=True):
            if is_open:
                self.append(b"\n", stream)

    def mark(self) -> None:
        """Say in the index that all bytes so far are known; once a second where any came.

        After a crash of the machine, bytes past the last mark are dropped.
        """
        if not self._is_marked:
            self._note(self._segments[-1], self._files(), self._noted or Stream.STDOUT, 0)
            self._noted = None
            self._is_marked = True

    def set_limit(self, limit_bytes: int) -> None:
        """Change how much the ring holds, at once."""
        with self._lock:
            self._limit_bytes = max(limit_bytes, MIN_LIMIT_BYTES)
            self._segment_bytes = segment_bytes(limit_bytes)
            self._evict(0)

    def evict_oldest(self) -> bool:
        """Give up the oldest segment though the limit would allow it: the disk is full.

        Returns: False where only the one that is written to is left.
        """
        with self._lock:
            if len(self._segments) < 2:
                return False
            self._drop_oldest()
            return True

    def close_files(self) -> None:
        """Close its files, marked; writing opens them again."""
        with self._lock:
            if self._written is None:
                return
            # On a full disk the mark is missing: it costs the tail if the machine crashes now.
            with suppress(OSError):
                self.mark()
            self._written.close()
            self._written = self._noted = None
            self._is_marked = True

    def forget(self) -> None:
        """Drop every segment: the ring is removed. A reader finds it empty."""
        with self._lock:
            self._is_marked = True
            self.close_files()
            for segment in self._segments:
                self._around.indexes.discard(segment)
                segment.remove()
            self._segments, self._size = [], 0

    def _make_ready(self, stream: Stream, count: int, now: int) -> tuple[SegmentFile, Written, int]:
        """Find the place for the next bytes, make room and write their index record."""
        segment = self._segments[-1] if self._segments else None
        if (
            segment is None
            or self._is_anew
            or segment.total_size + _MIN_ROOM_BYTES > self._segment_bytes
            or now < segment.newest_ns - _CLOCK_STEP_NS
        ):
            segment = self._roll()
        room = max(self._segment_bytes - segment.total_size - RECORD_BYTES, _MIN_ROOM_BYTES)
        incoming = min(count, room) + RECORD_BYTES
        if self._size + incoming > self._limit_bytes:
            self._evict(incoming)
        written = self._files()
        segment = self._segments[-1]
        if (
            stream is not self._noted
            or now - self._noted_ns > SAME_RECORD_NS
            or segment.size - self._noted_at >= MAX_RECORD_BYTES
        ):
            self._note(segment, written, stream, now)
        self._is_marked = False
        return segment, written, room

    def _note(self, segment: SegmentFile, written: Written, stream: Stream, now: int) -> None:
        """Write an index record. Times do not fall within a segment."""
        now = max(now, segment.newest_ns)
        segment.note(written.records, stream, now)
        self._size += RECORD_BYTES
        self._noted, self._noted_ns, self._noted_at = stream, now, segment.size

    def _grow(self, segment: SegmentFile, written: Written, stream: Stream, moved: int) -> None:
        start = segment.size
        segment.size += moved
        self._size += moved
        self.bytes_total += moved
        index = segment.index
        if moved > COUNT_AT_ONCE_BYTES or index is None or index.counted != start:
            return
        with self._lock:
            buffer = self._around.buffer
            while index.counted < segment.size:
                begin = index.counted
                length = min(index.room(), segment.size - begin)
                os.preadv(written.data, [buffer.view[:length]], begin)
                index.add(buffer.data, (Run(begin, begin + length, stream),))

    def _files(self) -> Written:
        """Give the newest segment's files, opened again where they had been closed."""
        if self._written is None:
            try:
                self._written = self._segments[-1].open()
            except FileNotFoundError:
                # Somebody removed the files under us: go on in a new segment.
                self._drop_missing()
                self._roll()
                return self._files()
        self._around.opened(self)
        return self._written

    def _roll(self) -> SegmentFile:
        """Begin a new segment; one without bytes is not kept."""
        with self._lock:
            self.close_files()
            segment = self._following()
            self._is_anew = False
            try:
                self._written = segment.make(self._around.boot)
            except FileNotFoundError:
                Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._written = segment.make(self._around.boot)
            self._segments.append(segment)
            self._size += segment.total_size
            if not self.uncounted_bytes:
                self._count_more(self._around.buffer)
            self._around.opened(self)
            return segment

    def _following(self) -> SegmentFile:
        """Describe the segment that follows the newest one."""
        if not self._segments:
            return SegmentFile(self.folder, 0, Tally(), Join.FRESH)
        last = self._segments[-1]
        join = Join.FRESH if self._is_anew else Join.GOES_ON
        before = None
        if not last.size:
            self._segments.pop()
            self._size -= last.total_size
            last.remove()
            join = join or last.join
            before = last.before and join.apply(last.before)
        segment = SegmentFile(self.folder, last.base + last.size, before, join)
        if before is not None:
            segment.index = LineIndex(before.is_open)
        return segment

    # --- eviction ---

    def _evict(self, incoming_bytes: int) -> None:
        with self._lock:
            sizes = [segment.total_size for segment in self._segments]
            for _ in range(count_evictions(sizes, self._limit_bytes, incoming_bytes)):
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Unlink the oldest segment, once its lines are counted: numbers go on."""
        while len(self._segments) > 1 and self._segments[1].before is None:
            self._count_more(self._around.buffer)
        if len(self._segments) < 2:
            return
        oldest = self._segments.pop(0)
        self._size -= oldest.total_size
        self._around.indexes.discard(oldest)
        oldest.remove()

    def _drop_missing(self) -> None:
        """Forget segments whose files somebody removed under us."""
        with self._lock:
            kept = [segment for segment in self._segments if segment.is_there()]
            if len(kept) == len(self._segments):
                return
            end = self._segments[-1]
            if end not in kept and self._written is not None:
                self._written.close()
                self._written = self._noted = None
                self._is_marked = True
            known = max((segment.before or Tally() for segment in self._segments), default=Tally())
            for segment in kept:
                segment.before, segment.index, segment.join = None, None, Join.GAP
            if kept:
                kept[0].before = Join.GAP.apply(known)
            self._segments = kept
            self._size = sum(segment.total_size for segment in kept)

    # --- counting: any thread ---

    def tally(self) -> Tally:
        """Count everything up to now."""
        self.settle()
        with self._lock:
            return self._end_of(self._last_known())

    @property
    def counted(self) -> Tally:
        """What is counted by now, without counting more."""
        with self._lock:
            return self._end_of(self._last_known())

    def _end_of(self, number: int) -> Tally:
        """Give the counts at the end of a segment, as far as it is counted."""
        if number < 0:
            return Tally()
        segment = self._segments[number]
        before = segment.before or Tally()
        return before if segment.index is None else segment.index.after(before)

    @property
    def uncounted_bytes(self) -> int:
        """How far the counts are behind the bytes."""
        with self._lock:
            number = self._last_known()
            if number < 0:
                return 0
            index = self._segments[number].index
            counted = index.counted if index is not None else 0
            return sum(segment.size for segment in self._segments[number:]) - counted

    def settle(self) -> None:
        """Count the newlines that are not counted yet; those that come meanwhile may be left.

        Goes by pieces of a millisecond, so that another thread can write in between.
        """
        left = self.uncounted_bytes
        if not left:
            return
        buffer = BlockBuffer()
        while left > 0 and (counted := self._count_more(buffer)):
            left -= counted

    def _last_known(self) -> int:
        """Give the last segment whose start is counted: from there on it is to be counted."""
        number = len(self._segments) - 1
        while number > 0 and self._segments[number].before is None:
            number -= 1
        return number

    def _count_more(self, buffer: BlockBuffer) -> int:
        """Count some blocks of the first segment that is not counted; 0 where all are."""
        with self._lock:
            number = self._last_known()
            if number < 0:
                return 0
            segment = self._segments[number]
            before = segment.before or Tally()
            if segment.index is None:
                segment.index = LineIndex(before.is_open)
            index, start, size = segment.index, segment.index.counted, segment.size
            try:
                if start < size:
                    segment.count_some(index, size, buffer)
            except FileNotFoundError:
                self._drop_missing()
                return 0
            if index.counted == segment.size and number + 1 < len(self._segments):
                following = self._segments[number + 1]
                following.before = following.join.apply(index.after(before))
                following.save_header(self._around.boot)
                following.index = LineIndex(following.before.is_open)
                segment.index = None
                self._around.indexes.put(segment, index)
                return max(index.counted - start, 1)
            return index.counted - start
