"""The segments of one ring in order, and how many lines they hold.

Counting (`settle`) may run on another thread than writing: both take the ring's lock, counting
for fractions of a millisecond at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from engine.core.lineindex import LineIndex
from engine.core.names import split_instance
from engine.core.ring import Join, Tally
from engine.daemon.ring_files import BlockBuffer, Written, open_segments

if TYPE_CHECKING:
    from engine.daemon.ring_shared import Surroundings


class SegmentChain:
    """The segments of one ring, oldest first.

    The starts of the first ones are counted, those of the rest not yet; the last of the former
    is where counting goes on.

    Attributes:
        name: "service:id".
        folder: Where its files are.
    """

    def __init__(self, around: Surroundings, name: str) -> None:
        """Find the segments on disk.

        Raises:
            Refused: Not a valid name.
        """
        service, ident = split_instance(name)
        self.name = name
        self.folder = str(around.root / service / ident)
        self._around = around
        self._lock = threading.RLock()
        self._segments, self._is_anew = open_segments(self.folder, around.boot)
        self._size = sum(segment.total_size for segment in self._segments)
        self._written: Written | None = None
        self._abandoned: list[Written] = []
        """Open files of a segment that was removed under us; for the writer to close."""
        if self._segments and self._segments[0].before is None:
            # What it followed is lost before it was counted: numbers begin anew.
            self._segments[0].before = self._segments[0].join.apply(Tally())
            for segment in self._segments[1:]:
                segment.before = None

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
    def is_counted(self) -> bool:
        """Whether the counts are level with the bytes. For the writing thread."""
        if not self._segments:
            return True
        newest = self._segments[-1]
        return newest.index is not None and newest.index.counted == newest.size

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

    def _drop_missing(self) -> None:
        """Forget segments whose files somebody removed under us."""
        with self._lock:
            kept = [segment for segment in self._segments if segment.is_there()]
            if len(kept) == len(self._segments):
                return
            end = self._segments[-1]
            if end not in kept and self._written is not None:
                # The writer may be in the middle of using them: it closes them itself.
                self._abandoned.append(self._written)
                self._written = None
            known = max((segment.before or Tally() for segment in self._segments), default=Tally())
            for segment in kept:
                segment.before, segment.index, segment.join = None, None, Join.GAP
            if kept:
                kept[0].before = Join.GAP.apply(known)
            self._segments = kept
            self._size = sum(segment.total_size for segment in kept)
