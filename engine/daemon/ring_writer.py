"""The writing half of a ring: where the next bytes go, and what is evicted for them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

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
from engine.daemon.ring_chain import SegmentChain
from engine.daemon.ring_files import SegmentFile, Written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.daemon.ring_shared import Surroundings

SAME_RECORD_NS = 1_000_000
"""Bytes of one stream that come within that time share an index record."""
MAX_RECORD_BYTES = 4 * 1024 * 1024
_CLOCK_STEP_NS = 1_000_000_000
_MIN_ROOM_BYTES = 4096


class RingWriter(SegmentChain):
    """One instance's output on its way to disk, up to a limit; the oldest segment goes first.

    Attributes:
        bytes_total: Bytes taken in since this object was made.
        is_flooded: Bytes come faster than their lines can be counted. Set by the pump: then lines
            are counted when somebody asks, and those of a segment that is evicted before are
            guessed from a sample. Numbers go on, and those of kept lines stay.
    """

    def __init__(self, around: Surroundings, name: str, limit_bytes: int) -> None:
        """Find the ring's segments; `RingStore.ring` is the way to get one.

        Raises:
            Refused: Not a valid name.
        """
        super().__init__(around, name)
        self.bytes_total = 0
        self.is_flooded = False
        self._limit_bytes = max(limit_bytes, MIN_LIMIT_BYTES)
        self._segment_bytes = segment_bytes(limit_bytes)
        self._noted: Stream | None = None
        self._noted_ns = 0
        self._noted_at = 0
        self._is_marked = True

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

    def end_lines(self, streams: Iterable[Stream] = (Stream.STDOUT, Stream.STDERR)) -> None:
        """End the lines that are not ended: their program is gone and will not go on.

        Without it the next run's first words would be the end of this one's last line.
        """
        is_open = self.tally().is_open
        for stream in streams:
            if is_open[stream]:
                self.append(b"\n", stream)

    def mark(self) -> None:
        """Say in the index that all bytes so far are known; once a second where any came.

        After a crash of the machine, bytes past the last mark are dropped.
        """
        if not self._is_marked and self._written is not None:
            self._note(self._segments[-1], self._written, self._noted or Stream.STDOUT, 0)
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
            self._close_abandoned()
            if self._written is None:
                return
            # On a full disk the mark is missing: it costs the tail if the machine crashes now.
            with suppress(OSError):
                self.mark()
            self._written.close()
            self._written = self._noted = None
            self._is_marked = True

    def _close_abandoned(self) -> None:
        while self._abandoned:
            self._abandoned.pop().close()

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
            or segment.is_old
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
        if self.is_flooded or index is None or index.counted != start:
            return
        # At once, while the bytes are in the processor's cache.
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
            self._noted = None
            self._close_abandoned()
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
        """Begin a new segment. One without bytes gives its place, and its files, to it."""
        with self._lock:
            self.close_files()
            self._noted = None
            segment = self._following()
            try:
                self._written = segment.make(self._around.boot)
            except FileNotFoundError:
                Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._written = segment.make(self._around.boot)
            if self._segments and not self._segments[-1].size:
                self._size -= self._segments.pop().total_size
            self._is_anew = False
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
            join = join or last.join
            before = last.before and join.apply(last.before)
        return SegmentFile(self.folder, last.base + last.size, before, join)

    # --- eviction ---

    def _evict(self, incoming_bytes: int) -> None:
        with self._lock:
            sizes = [segment.total_size for segment in self._segments]
            for _ in range(count_evictions(sizes, self._limit_bytes, incoming_bytes)):
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Unlink the oldest segment, once its lines are counted: numbers go on."""
        while len(self._segments) > 1 and self._segments[1].before is None:
            if self.is_flooded:
                self._guess_oldest()
            else:
                self._count_more(self._around.buffer)
        if len(self._segments) < 2:
            return
        oldest = self._segments.pop(0)
        self._size -= oldest.total_size
        self._around.indexes.discard(oldest)
        oldest.remove()

    def _guess_oldest(self) -> None:
        oldest, following = self._segments[:2]
        try:
            guess = oldest.guess_after(oldest.before or Tally(), self._around.buffer)
        except FileNotFoundError:
            self._drop_missing()
            return
        following.before = following.join.apply(guess)
        following.save_header(self._around.boot)
