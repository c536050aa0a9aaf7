"""What the rings of one engine share: the folder, the clock, and the line counts of segments."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from engine.core.lineindex import LineIndex
from engine.core.ring import Tally
from engine.daemon.ring_files import BlockBuffer, SegmentFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.daemon.ring_writer import RingWriter

MAX_INDEX_BYTES = 8 * 1024 * 1024
"""What the line counts of full segments may take in memory, all rings together."""


class IndexCache:
    """Line counts of full segments, by path; the least recently used go first. Any thread."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._indexes: OrderedDict[str, LineIndex] = OrderedDict()
        self._cost_bytes = 0

    def get(self, segment: SegmentFile) -> LineIndex:
        """Give a full segment's counts, made now where they are not kept: some milliseconds.

        Raises:
            FileNotFoundError: It was evicted.
        """
        with self._lock:
            index = self._indexes.get(segment.data_path)
            if index is not None:
                self._indexes.move_to_end(segment.data_path)
                return index
        index = LineIndex((segment.before or Tally()).is_open)
        buffer = BlockBuffer()
        while index.counted < segment.size:
            segment.count_some(index, segment.size, buffer)
        self.put(segment, index)
        return index

    def put(self, segment: SegmentFile, index: LineIndex) -> None:
        """Keep a full segment's counts; they do not change any more."""
        with self._lock:
            self._drop(segment.data_path)
            self._indexes[segment.data_path] = index
            self._cost_bytes += index.cost_bytes
            while self._cost_bytes > MAX_INDEX_BYTES and len(self._indexes) > 1:
                self._drop(next(iter(self._indexes)))

    def discard(self, segment: SegmentFile) -> None:
        """Forget a segment that is evicted."""
        with self._lock:
            self._drop(segment.data_path)

    def _drop(self, path: str) -> None:
        index = self._indexes.pop(path, None)
        if index is not None:
            self._cost_bytes -= index.cost_bytes


class Surroundings:
    """What the rings of one store share.

    Attributes:
        root: The folder of all rings.
        boot: Names this boot of the machine, in 16 bytes.
        clock: Gives nanoseconds since the epoch.
        indexes: Line counts of full segments.
        buffer: For counting on the writing thread.
        opened: Called by a ring that is about to write through open files.
    """

    def __init__(
        self,
        root: Path,
        boot: bytes,
        clock: Callable[[], int],
        indexes: IndexCache,
        opened: Callable[[RingWriter], None],
    ) -> None:
        """Take them."""
        self.root = root
        self.boot = boot
        self.clock = clock
        self.indexes = indexes
        self.opened = opened
        self.buffer = BlockBuffer()
