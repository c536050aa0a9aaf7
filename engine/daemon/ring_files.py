"""The two files of a ring's segment: made, opened again, read, mended and removed.

`{base offset:020d}.seg` holds the bytes as they came, `.idx` a header and the index records
(engine.core.ring). The `.seg` file's size is the write position: nothing is preallocated.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from engine.core.lineindex import BLOCK_BYTES, LineIndex
from engine.core.logsegment import Segment
from engine.core.ring import (
    HEADER_BYTES,
    NEWLINE,
    RECORD_BYTES,
    Header,
    Join,
    Records,
    Stream,
    Tally,
    pack_header,
    pack_record,
    unpack_header,
)
from engine.daemon.mapped import MappedFile

_BLOCKS_AT_ONCE = 4
_SAMPLE_EVERY_BYTES = 4 * 1024 * 1024
_NAME = re.compile(r"(\d{20})\.(seg|idx)\Z")


class Written(NamedTuple):
    """The two open files of the segment that is written to."""

    data: int
    records: int

    def close(self) -> None:
        """Close both."""
        os.close(self.data)
        os.close(self.records)


class SegmentFile:
    """One segment on disk.

    Attributes:
        size: Bytes of data. Grows while it is the newest.
        index_size: Bytes of the index file.
        before: Counts up to its start; None while they are not known.
        join: Whether lines begun before it go on in it.
        index: Counts of its newlines while they are being made; None before and after.
        oldest_ns, newest_ns: Times of its first and last record, 0 without any.
        is_old: Its records are of the old form: no access log goes into it.
    """

    __slots__ = (
        "_path",
        "base",
        "before",
        "index",
        "index_size",
        "is_old",
        "join",
        "newest_ns",
        "oldest_ns",
        "size",
    )

    def __init__(self, folder: str, base: int, before: Tally | None, join: Join) -> None:
        """Describe a segment; nothing is opened or made."""
        self._path = f"{folder}/{base:020d}"
        self.base = base
        self.size = 0
        self.index_size = HEADER_BYTES
        self.before = before
        self.join = join
        self.index: LineIndex | None = None
        self.oldest_ns = 0
        self.newest_ns = 0
        self.is_old = False

    @property
    def total_size(self) -> int:
        """Bytes of both files."""
        return self.size + self.index_size

    @property
    def data_path(self) -> str:
        """Where its bytes are."""
        return self._path + ".seg"

    @property
    def index_path(self) -> str:
        """Where its header and records are."""
        return self._path + ".idx"

    def make(self, boot: bytes) -> Written:
        """Make its files and open them for writing.

        The index is first: an index without data is seen to be empty, data without an index
        would belong to nobody.
        """
        flags = os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        index = os.open(self.index_path, flags | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            os.write(index, self._header(boot))
            return Written(os.open(self.data_path, flags | os.O_RDWR, 0o600), index)
        except OSError:
            os.close(index)
            raise

    def open(self) -> Written:
        """Open its files for writing on.

        Raises:
            FileNotFoundError: Somebody removed them.
        """
        data = os.open(self.data_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            index = os.open(self.index_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            os.close(data)
            raise
        return Written(data, index)

    def note(self, index: int, stream: Stream, time_ns: int) -> None:
        """Append the record of the bytes that are about to come.

        Raises:
            OSError: The record is not written, not even in part.
        """
        written = os.write(index, pack_record(self.size, stream, time_ns, is_old=self.is_old))
        if written != RECORD_BYTES:
            os.ftruncate(index, self.index_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.index_path)
        self.index_size += RECORD_BYTES
        self.oldest_ns = self.oldest_ns or time_ns
        self.newest_ns = time_ns

    def vouch(self) -> None:
        """Append a mark if the last record has bytes: whoever wrote them was killed, not we.

        Without it, they would be dropped if the machine stopped before more come.
        """
        records = _read_ends(self)[1]
        if len(records) and records.start(-1) < self.size:
            fd = os.open(self.index_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                self.note(fd, records.stream(-1), self.newest_ns)
            finally:
                os.close(fd)

    def save_header(self, boot: bytes) -> None:
        """Write the header anew: counts became known, or the segment was looked through."""
        with suppress(FileNotFoundError):
            fd = os.open(self.index_path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(fd, self._header(boot), 0)
            finally:
                os.close(fd)

    def _header(self, boot: bytes) -> bytes:
        return pack_header(Header(self.base, self.before, self.join, boot, self.is_old))

    def read_records(self) -> Records:
        """Read its records, as far as this object knows them.

        Raises:
            FileNotFoundError: It was evicted.
        """
        fd = os.open(self.index_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, self.index_size - HEADER_BYTES, HEADER_BYTES)
            return Records(data, is_old=self.is_old)
        finally:
            os.close(fd)

    def count_some(self, index: LineIndex, size: int, buffer: BlockBuffer) -> None:
        """Count the newlines of some more blocks, up to byte `size` at most.

        Raises:
            FileNotFoundError: It was evicted.
        """
        # The records are read after the size was: they reach past it, whoever writes meanwhile.
        records = self.read_records()
        fd = os.open(self.data_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for _ in range(_BLOCKS_AT_ONCE):
                if index.counted < size:
                    self._count_block(fd, index, records, size, buffer)
        finally:
            os.close(fd)

    def _count_block(
        self, fd: int, index: LineIndex, records: Records, size: int, buffer: BlockBuffer
    ) -> None:
        start = index.counted
        length = os.preadv(fd, [buffer.view[: min(index.room(), size - start)]], start)
        if not length:
            raise FileNotFoundError(errno.ENOENT, "cut shorter by somebody", self.data_path)
        index.add(buffer.data, records.runs(start, start + length))

    def guess_after(self, before: Tally, buffer: BlockBuffer) -> Tally:
        """Guess the counts at its end from a sample of its blocks: a flood is evicting it.

        Raises:
            FileNotFoundError: Somebody removed it.
        """
        records = self.read_records()
        sampled, lines, errors = 0, 0, 0
        fd = os.open(self.data_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for start in range(0, self.size, _SAMPLE_EVERY_BYTES):
                length = os.preadv(fd, [buffer.view], start)
                for run in records.runs(start, start + length):
                    found = buffer.data.count(NEWLINE, run.start - start, run.stop - start)
                    lines += found
                    errors += found * (run.stream == Stream.STDERR)
                sampled += length
        finally:
            os.close(fd)
        scale = self.size / max(sampled, 1)
        # That a line goes on is the safe guess: at worst its end is not shown.
        lines, errors = round(lines * scale), round(errors * scale)
        return Tally(before.lines + lines, before.errors + errors, (True, True, True))

    def load(self, before: Tally, size: int, index: LineIndex) -> Segment:
        """Load it for reading.

        Raises:
            FileNotFoundError: It was evicted.
        """
        data = MappedFile(self.data_path, size)
        return Segment(before, self.join, size, data, self.read_records(), index)

    def is_there(self) -> bool:
        """Tell whether its files are still in their place."""
        return Path(self.data_path).exists() and Path(self.index_path).exists()

    def remove(self) -> None:
        """Unlink its files; the index last, so that half of it is seen to be removed."""
        for path in (self.data_path, self.index_path):
            with suppress(FileNotFoundError):
                Path(path).unlink()


class BlockBuffer:
    """Room for one block, used again and again so that it stays in the processor's cache."""

    __slots__ = ("data", "view")

    def __init__(self) -> None:
        """Make it; one for each thread."""
        self.data = bytearray(BLOCK_BYTES)
        self.view = memoryview(self.data)


def read_boot_id() -> bytes:
    """Name this boot of the machine, in 16 bytes."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return bytes.fromhex(text.strip().replace("-", ""))


def open_segments(folder: str, boot: bytes) -> tuple[list[SegmentFile], bool]:
    """Find the segments of a ring, oldest first, and mend what a crash of the machine broke.

    A process that is killed leaves nothing to mend. A machine that stops may keep one file and
    lose the end of another: then bytes that no record surely covers are dropped, and lines do
    not go on over the gap.

    Returns: the segments, and whether the next bytes must begin a new one, with new lines.
    """
    found: list[SegmentFile] = []
    is_after_gap = is_gap = is_mended = False
    for base in _bases(folder):
        segment, is_mended, is_cut = _look_through(folder, base, boot)
        if segment is not None:
            if is_gap:
                segment.join = Join.GAP
            if is_after_gap:
                # Fewer lines are before it than there were; it is counted anew.
                segment.before = None
            if is_gap or is_after_gap or is_mended:
                segment.save_header(boot)
            found.append(segment)
        is_gap = is_cut
        is_after_gap = is_after_gap or (is_cut and bool(found))
    if found and not is_mended:
        # On a full disk it stays without; that matters only if the machine stops now.
        with suppress(OSError):
            found[-1].vouch()
    return found, is_mended


def _bases(folder: str) -> list[int]:
    try:
        names = [path.name for path in Path(folder).iterdir()]
    except FileNotFoundError:
        return []
    return sorted({int(match[1]) for name in names if (match := _NAME.match(name))})


def _look_through(folder: str, base: int, boot: bytes) -> tuple[SegmentFile | None, bool, bool]:
    """Describe one segment as it is on disk, mended.

    Returns: the segment, None where nothing of it is left; whether it had to be looked through;
    whether bytes at its end are lost.
    """
    segment = SegmentFile(folder, base, None, Join.GOES_ON)
    ends = Records(b"")
    try:
        segment.size = Path(segment.data_path).stat().st_size
        header, ends = _read_ends(segment)
    except FileNotFoundError:
        header = None
    if header is None:
        segment.remove()
        return None, segment.size > 0, segment.size > 0
    segment.before, segment.join, segment.is_old = header.before, header.join, header.is_old
    is_whole = (segment.index_size - HEADER_BYTES) % RECORD_BYTES == 0 and (
        ends.start(-1) <= segment.size if len(ends) else not segment.size
    )
    is_mended = not is_whole or header.boot != boot
    is_cut = is_mended and _mend(segment)
    if is_cut:
        ends = _read_ends(segment)[1]
    if len(ends):
        segment.oldest_ns, segment.newest_ns = ends.time_ns(0), ends.time_ns(-1)
    return segment, is_mended, is_cut


def _read_ends(segment: SegmentFile) -> tuple[Header | None, Records]:
    """Read the header of a segment, and its first and last record; note the index's size.

    An index may be half as large as its data, and a thousand rings are opened at a start.

    Raises:
        FileNotFoundError: There is no index.
    """
    fd = os.open(segment.index_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        segment.index_size = os.fstat(fd).st_size
        head = os.pread(fd, HEADER_BYTES + RECORD_BYTES, 0)
        count = (segment.index_size - HEADER_BYTES) // RECORD_BYTES
        last = os.pread(fd, RECORD_BYTES, HEADER_BYTES + max(count - 1, 0) * RECORD_BYTES)
    finally:
        os.close(fd)
    header = unpack_header(head)
    ends = head[HEADER_BYTES:] + last if count > 0 else b""
    return header, Records(ends, is_old=header is not None and header.is_old)


def _mend(segment: SegmentFile) -> bool:
    """Cut off what no record surely covers; say whether bytes or records went.

    A segment that was left in order ends with a record of no bytes. One that does not may lack
    records after the last: whose the bytes after it are is not known.
    """
    records = segment.read_records()
    valid = records.count_valid(segment.size)
    if not valid:
        kept = 0
    elif valid < len(records) and records.start(valid) > segment.size:
        kept = segment.size
    else:
        kept = records.start(valid - 1)
    index_size = HEADER_BYTES + valid * RECORD_BYTES
    is_cut = kept < segment.size or valid < len(records)
    os.truncate(segment.index_path, index_size)
    os.truncate(segment.data_path, kept)
    segment.size, segment.index_size = kept, index_size
    return is_cut
