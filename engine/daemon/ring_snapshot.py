"""A ring's segments at one moment, for its readers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.core.lineindex import LineIndex
    from engine.core.logsegment import Segment
    from engine.core.ring import Tally
    from engine.daemon.ring_files import SegmentFile
    from engine.daemon.ring_shared import IndexCache

_KEPT_SEGMENTS = 2


class Part(NamedTuple):
    """One segment of a snapshot."""

    file: SegmentFile
    before: Tally
    size: int


class FileSnapshot:
    """The segments of a ring at one moment; `engine.core.logsegment.Snapshot`.

    Attributes:
        size_bytes: What the ring held, indexes included.
    """

    def __init__(
        self,
        parts: tuple[Part, ...],
        end: Tally,
        newest: tuple[SegmentFile, LineIndex] | None,
        cache: IndexCache,
        size_bytes: int,
    ) -> None:
        """Take the parts; `newest` is the one still written to, and counts up to its size."""
        self._parts = parts
        self._end = end
        self._newest = newest
        self._cache = cache
        self._loaded: OrderedDict[int, Segment] = OrderedDict()
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        """Count the segments."""
        return len(self._parts)

    def before(self, number: int) -> Tally:
        """See Snapshot."""
        return self._parts[number].before if number < len(self._parts) else self._end

    def times(self, number: int) -> tuple[int, int]:
        """See Snapshot."""
        file = self._parts[number].file
        return file.oldest_ns, file.newest_ns

    def segment(self, number: int) -> Segment:
        """See Snapshot; the last used ones stay loaded.

        Raises:
            FileNotFoundError: It was evicted.
        """
        segment = self._loaded.get(number)
        if segment is None:
            part = self._parts[number]
            if self._newest is not None and self._newest[0] is part.file:
                index = self._newest[1]
            else:
                index = self._cache.get(part.file)
            segment = part.file.load(part.before, part.size, index)
            self._loaded[number] = segment
            if len(self._loaded) > _KEPT_SEGMENTS:
                self._loaded.popitem(last=False)
        return segment
