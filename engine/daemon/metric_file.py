"""The kept figures of one instance: a file of three rings, written record by record.

Written by `pwrite`, not through a mapping: what is written so outlives the engine's death just
as well, and where the disk is full it fails with an error, while a store into the hole of a
mapped file ends the process by SIGBUS. The file is as long as its rings from the start, but only
what was written takes room on the disk.
"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

from engine.core.metrics import LEVELS, Aggregate, Layout, Record, aggregate, merge, next_slot
from engine.core.series import decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADER_BYTES = 4096
_MAGIC = "ten metrics 1"
_COARSE = LEVELS[2].step_seconds
_MIDDLE = LEVELS[1].step_seconds
_MIDDLES = _COARSE // _MIDDLE


def file_bytes(metrics: int) -> int:
    """Tell how long the file of so many metrics is, and so how much room it takes at last."""
    return HEADER_BYTES + Layout(metrics).size


def header_of(names: Sequence[str]) -> bytes:
    """Write the header of a file of these metrics."""
    return f"{_MAGIC} {' '.join(names)}\n".encode().ljust(HEADER_BYTES, b"\0")


def path_of(folder: Path, name: str) -> Path:
    """Tell where the file of an instance lies, or of "host"; the name must be a valid one."""
    service, _, ident = name.partition(":")
    return folder / service / f"{ident}.ring" if ident else folder / f"{service}.ring"


def read_stretch(
    fd: int, layout: Layout, level: int, metric: int, first: int, last: int
) -> chain[Record]:
    """Read one metric's sound records of the slots [first, last), oldest first.

    Raises:
        OSError: The disk does not read.
    """
    slots, size = LEVELS[level].slots, layout.sizes[level]
    found = []
    while first < last:
        place = first % slots
        count = min(last - first, slots - place)
        offset = HEADER_BYTES + layout.offsets[level] + place * size
        data = os.pread(fd, count * size, offset)
        found.append(layout.records(level, metric, data, first))
        first += count
    return chain.from_iterable(found)


class MetricFile:
    """Takes a row of figures a second, and gives records back.

    Not for two threads at once. A file whose header names other metrics begins anew.

    Attributes:
        last: The second of the newest row, 0 before the first.
    """

    def __init__(self, path: Path, names: Sequence[str], now: float) -> None:
        """Open or make a file, and take up what the engine before left unfinished.

        Raises:
            OSError: It cannot be opened or made: the disk is full, or not writable.
        """
        self.path = path
        self.last = 0
        self._layout = Layout(len(names))
        self._rows: list[Sequence[float]] = []
        self._parts: list[Aggregate] = []
        header = header_of(names)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._prepare(header)
            self._resume(now)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close it; what is unfinished is taken up by the next that opens it."""
        os.close(self._fd)

    def append(self, time: float, values: Sequence[float]) -> None:
        """Take the figures of a second.

        Raises:
            OSError: They could not be written; they count in the coarser rings all the same.
        """
        slot = next_slot(self.last, time)
        finished = self._count(slot, values)
        # In this order: killed in between, the next engine counts the older seconds again.
        for level, number, part in finished:
            self._write(level, number, self._pack(number, part))
        self._write(0, slot, self._layout.pack(slot, 1, values))

    def read(self, level: int, metric: int, first: int, last: int) -> list[Record]:
        """Give one metric's records of the slots [first, last), oldest first.

        The slot that is not over is given as far as it has come.

        Raises:
            OSError: The disk does not read.
        """
        first = max(first, last - LEVELS[level].slots)
        records = list(read_stretch(self._fd, self._layout, level, metric, first, last))
        for record in self._unfinished(level, metric):
            if first <= record.slot < last and (not records or records[-1].slot < record.slot):
                records.append(record)
        return records

    def _unfinished(self, level: int, metric: int) -> list[Record]:
        if not level or not self._rows:
            return []
        newest = aggregate(self._rows)
        part = newest if level == 1 else merge([*self._parts, newest])
        groups = (part.lows, part.highs, part.means, part.lasts)
        codes = [encode(group[metric]) for group in groups]
        return [Record(self.last // LEVELS[level].step_seconds, part.seconds, *codes)]

    def _count(self, slot: int, values: Sequence[float]) -> list[tuple[int, int, Aggregate]]:
        """Take a row in, and give the steps of the coarser rings that are over by it."""
        finished: list[tuple[int, int, Aggregate]] = []
        last, self.last = self.last, slot
        if self._rows and slot // _MIDDLE != last // _MIDDLE:
            part = aggregate(self._rows)
            finished.append((1, last // _MIDDLE, part))
            self._parts.append(part)
            self._rows = []
        if self._parts and slot // _COARSE != last // _COARSE:
            finished.append((2, last // _COARSE, merge(self._parts)))
            self._parts = []
        if slot == last and self._rows:
            self._rows.pop()  # a second that was sampled twice has its last figures
        self._rows.append(values)
        # A clock that goes to and fro may not fill the memory.
        del self._rows[:-_MIDDLE], self._parts[:-_MIDDLES]
        return finished

    def _pack(self, slot: int, part: Aggregate) -> bytes:
        groups = (part.lows, part.highs, part.means, part.lasts)
        return self._layout.pack(slot, part.seconds, *groups)

    def _write(self, level: int, slot: int, record: bytes) -> None:
        place = slot % LEVELS[level].slots * self._layout.sizes[level]
        offset = HEADER_BYTES + self._layout.offsets[level] + place
        if os.pwrite(self._fd, record, offset) != len(record):
            os.pwrite(self._fd, record, offset)  # says why: a short write is a full disk

    def _prepare(self, header: bytes) -> None:
        size = HEADER_BYTES + self._layout.size
        if os.pread(self._fd, HEADER_BYTES, 0) != header:
            os.ftruncate(self._fd, 0)
            os.ftruncate(self._fd, size)
            os.pwrite(self._fd, header, 0)
        elif os.fstat(self._fd).st_size != size:
            os.ftruncate(self._fd, size)

    def _resume(self, now: float) -> None:
        """Count again the seconds of the 5 minutes that were not over when the last engine died.

        Seconds of the future are of a clock that has been set back since: they stay unread until
        they are overwritten.
        """
        data = os.pread(self._fd, self._layout.offsets[1], HEADER_BYTES)
        rows = sorted(row for row in self._layout.rows(data) if row[0] <= now)
        if not rows:
            return
        begin = rows[-1][0] // _COARSE * _COARSE
        for slot, codes in rows:
            if slot >= begin:
                values = tuple(decode(code) for code in codes)
                for level, number, part in self._count(slot, values):
                    self._write(level, number, self._pack(number, part))
