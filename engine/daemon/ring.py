"""The log rings of all instances, as files: written by one thread, read by any.

`DATA/logs/SERVICE/ID/` holds one ring (engine.core.ring has its form). Writing (`splice_from`,
`append`, `end_lines`, `mark`, `set_limit`) and the store's own methods are for one thread, the
engine's loop; they take page-cache time only. Reading (`window`, `tail_text`, `end`, `raw`, ...)
takes a snapshot under a short lock and then works on bytes that do not change any more, so it is
right on any thread; what is evicted meanwhile is noticed, and read anew without it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from engine.core.errors import NotFound
from engine.core.loglines import LineReader
from engine.core.logquery import compile_query
from engine.core.logsegment import LineFilter
from engine.core.names import instance_name, is_label, split_instance
from engine.core.ring import DEFAULT_LIMIT_BYTES
from engine.core.wire import LogWindow
from engine.daemon.log_search import Search, guard_pattern
from engine.daemon.ring_files import read_boot_id
from engine.daemon.ring_shared import IndexCache, Surroundings
from engine.daemon.ring_snapshot import FileSnapshot, Part
from engine.daemon.ring_writer import RingWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


MAX_OPEN_RINGS = 128
"""Rings whose two files stay open for writing; the least recently written are closed."""
RAW_BYTES = 1024 * 1024
_READ_ATTEMPTS = 4
_FOR_EVER = 1e9

T = TypeVar("T")


def line_filter(
    *,
    stream: str = "",
    text: str = "",
    since_ns: int = 0,
    until_ns: int = 0,
    is_regex: bool = False,
    is_case_sensitive: bool = True,
) -> LineFilter:
    """Say which lines are wanted; empty and 0 mean any.

    Raises:
        Refused: The regex is wrong, or the text spans lines.
    """
    query = None
    if text:
        query = compile_query(
            text, is_regex=is_regex, is_case_sensitive=is_case_sensitive, guard=guard_pattern
        )
    return LineFilter(stream, since_ns, until_ns, query)


class Ring(RingWriter):
    """One instance's output, both streams, up to a limit; the oldest segment goes first."""

    @property
    def end(self) -> int:
        """Number that the next line will get."""
        return self.tally().lines

    @property
    def oldest(self) -> int:
        """Number of the first line that is wholly kept."""
        return self._read(lambda reader, _: reader.oldest)

    @property
    def size_bytes(self) -> int:
        """What the ring holds on disk, its indexes included."""
        return self._size

    def reader(self) -> LineReader:
        """Take a snapshot to read lines from, on this thread.

        Reading raises FileNotFoundError once a segment it needs is evicted: take a new one then.
        """
        return LineReader(self._snapshot())

    def window(
        self,
        first: int | None = None,
        count: int = 100,
        *,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
        has_tail: bool = True,
    ) -> LogWindow:
        """Read lines [first, first + count), or the last `count` where first is None.

        A line that is not ended yet comes last, under the number `end`, if the window reaches
        there and no filter is set: it is not counted, and may be longer the next time.

        With a filter only wanted lines count, and `first` is where to look from. That may take
        long; on the loop, use `filtered` and run it.

        Args:
            first: A line number; lines that are evicted or not there yet are left out.
            count: How many lines at most.
            stream: "stdout" or "stderr"; "" for both.
            text: Only lines that hold it, by case.
            since_ns: Only lines not older; 0 for no bound.
            until_ns: Only lines not newer; 0 for no bound.
            has_tail: Whether the unended line is wanted.
        """
        wanted = line_filter(stream=stream, text=text, since_ns=since_ns, until_ns=until_ns)
        if not wanted.is_all:
            search = self.filtered(wanted, first, count)
            search.step(_FOR_EVER)
            return self.filtered_window(search)
        return self._read(
            lambda reader, snapshot: self._window(reader, snapshot, first, count, has_tail=has_tail)
        )

    def _window(
        self,
        reader: LineReader,
        snapshot: FileSnapshot,
        first: int | None,
        count: int,
        *,
        has_tail: bool,
    ) -> LogWindow:
        tail = reader.tail() if has_tail and count > 0 else None
        if first is None:
            first = reader.end - count + (tail is not None)
        lines = reader.window(first, count)
        if tail is not None and first <= reader.end < first + count:
            lines.append(tail)
        return LogWindow(
            name=self.name,
            oldest=reader.oldest,
            end=reader.end,
            lines=lines,
            size_bytes=snapshot.size_bytes,
        )

    def filtered(self, wanted: LineFilter, first: int | None, count: int) -> Search:
        """Begin to look for a window's lines: from `first` on, or the last where it is None."""
        return Search(self, wanted, first, is_backward=first is None, limit=count)

    def filtered_window(self, search: Search) -> LogWindow:
        """Give a window of what a search found, in order of number."""
        head = self._read(lambda reader, _: (reader.oldest, reader.end))
        lines = sorted(search.lines, key=lambda line: line.number)
        return LogWindow(
            name=self.name, oldest=head[0], end=head[1], lines=lines, size_bytes=self._size
        )

    def tail_text(self, stream: str = "stderr", count: int = 10) -> list[str]:
        """Give the text of a stream's last lines, the unended one included, oldest first."""
        window = self.window(None, count, stream=stream)
        texts = [line.text for line in window.lines]
        tail = self._read(lambda reader, _: reader.tail())
        if tail is not None and tail.stream == stream:
            texts.append(tail.text)
        return texts[-count:]

    def raw(self) -> Iterator[bytes]:
        """Read the bytes of both streams as they came, up to the end of now, in order.

        In pieces of RAW_BYTES at most; what is evicted meanwhile is left out. Any thread.
        """
        with self._lock:
            parts = [(segment.data_path, segment.size) for segment in self._segments]
        for path, size in parts:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                for start in range(0, size, RAW_BYTES):
                    yield os.pread(fd, min(RAW_BYTES, size - start), start)
            finally:
                os.close(fd)

    def _snapshot(self) -> FileSnapshot:
        self.settle()
        with self._lock:
            number = self._last_known()
            parts = [
                Part(segment, segment.before, segment.size)
                for segment in self._segments[: max(number, 0)]
                if segment.size and segment.before is not None
            ]
            end, newest = self._end_of(number), None
            if number >= 0 and (index := self._segments[number].index) is not None:
                segment = self._segments[number]
                newest = (segment, index.copy())
                if index.counted and segment.before is not None:
                    parts.append(Part(segment, segment.before, index.counted))
            return FileSnapshot(tuple(parts), end, newest, self._around.indexes, self._size)

    def _read(self, read: Callable[[LineReader, FileSnapshot], T]) -> T:
        """Read from a snapshot; anew where a segment of it was evicted meanwhile."""
        for _ in range(_READ_ATTEMPTS):
            snapshot = self._snapshot()
            try:
                return read(LineReader(snapshot), snapshot)
            except FileNotFoundError:
                continue
        # A flood evicts faster than we read: let it wait for us, and look for missing files.
        with self._lock:
            self._drop_missing()
            snapshot = self._snapshot()
            return read(LineReader(snapshot), snapshot)


class RingStore:
    """All rings of an engine, below one folder. For the loop's thread.

    Keeps the files of at most MAX_OPEN_RINGS rings open.
    """

    def __init__(
        self,
        root: Path,
        *,
        boot: bytes | None = None,
        clock: Callable[[], int] = time.time_ns,
        max_open: int = MAX_OPEN_RINGS,
    ) -> None:
        """Keep rings below `root`, which is made (owner only) if it is missing.

        Args:
            root: The folder.
            boot: Names this boot of the machine; None: the kernel is asked.
            clock: Gives nanoseconds since the epoch.
            max_open: How many rings' files stay open.
        """
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root
        self._around = Surroundings(root, boot or read_boot_id(), clock, IndexCache(), self._opened)
        self._rings: dict[str, Ring] = {}
        self._open: OrderedDict[str, RingWriter] = OrderedDict()
        self._max_open = max_open

    def ring(self, name: str, limit_bytes: int | None = None) -> Ring:
        """Give the ring of an instance, which need not have written anything yet.

        Args:
            name: "service:id".
            limit_bytes: Applied if given; a ring's first time without it has the default.

        Raises:
            Refused: Not a valid name.
        """
        ring = self._rings.get(name)
        if ring is None:
            ring = Ring(self._around, name, limit_bytes or DEFAULT_LIMIT_BYTES)
            self._rings[name] = ring
        if limit_bytes is not None:
            ring.set_limit(limit_bytes)
        return ring

    def has(self, name: str) -> bool:
        """Tell whether an instance has a ring, in use or on disk."""
        if name in self._rings:
            return True
        service, _, ident = name.partition(":")
        return is_label(service) and is_label(ident) and (self.root / service / ident).is_dir()

    def find(self, name: str) -> Ring:
        """Give the ring of an instance that has one.

        Raises:
            NotFound: It has none, or the name is not valid.
        """
        if self.has(name):
            return self.ring(name)
        message = f"No log of '{name}'"
        raise NotFound(message)

    def names(self) -> list[str]:
        """Name every instance that has a ring, on disk or in use."""
        found = set(self._rings)
        for service in _folders(self.root):
            found.update(
                instance_name(service, ident) for ident in _folders(str(self.root / service))
            )
        return sorted(found)

    def remove(self, name: str) -> None:
        """Delete a ring with all its files.

        Raises:
            Refused: Not a valid name.
        """
        service, ident = split_instance(name)
        ring = self._rings.pop(name, None)
        if ring is not None:
            self._open.pop(name, None)
            ring.forget()
        shutil.rmtree(self.root / service / ident, ignore_errors=True)

    def close(self) -> None:
        """Close all files, marked."""
        for ring in self._open.values():
            ring.close_files()
        self._open.clear()

    def _opened(self, ring: RingWriter) -> None:
        """Note that a ring writes; close the files of those that have not for longest."""
        self._open[ring.name] = ring
        self._open.move_to_end(ring.name)
        while len(self._open) > self._max_open:
            self._open.popitem(last=False)[1].close_files()


def _folders(path: str | Path) -> list[str]:
    """List the folders that can be part of an instance's name; links are not followed."""
    try:
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if is_label(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
