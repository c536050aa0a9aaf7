"""A log ring in memory, and a simple model of its lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.core.lineindex import LineIndex
from engine.core.logsegment import Segment
from engine.core.ring import Join, Records, Stream, Tally, pack_record

OUT, ERR, ACCESS = Stream


@dataclass(frozen=True)
class Write:
    """Bytes that came at one moment; `is_cut` begins a new segment before them."""

    data: bytes
    stream: Stream = OUT
    time_ns: int = 1
    is_cut: bool = False
    join: Join = Join.GOES_ON


class MemorySnapshot:
    """Segments made of writes; `engine.core.logsegment.Snapshot`."""

    def __init__(self, writes: Iterable[Write], *, evicted: int = 0) -> None:
        """Make the segments, and evict so many of the oldest; the newest stays."""
        groups: list[list[Write]] = []
        for write in writes:
            if write.is_cut or not groups:
                groups.append([])
            groups[-1].append(write)
        self.loads = 0
        self._befores = [Tally()]
        self._segments: list[Segment] = []
        for group in groups:
            before = group[0].join.apply(self._befores.pop())
            segment = make_segment(group, before)
            self._segments.append(segment)
            self._befores += [before, segment.index.after(before)]
        evicted = min(evicted, max(len(self._segments) - 1, 0))
        del self._segments[:evicted]
        del self._befores[:evicted]

    def __len__(self) -> int:
        """See Snapshot."""
        return len(self._segments)

    def before(self, number: int) -> Tally:
        """See Snapshot."""
        return self._befores[number]

    def times(self, number: int) -> tuple[int, int]:
        """See Snapshot."""
        records = self._segments[number].records
        return records.time_ns(0), records.time_ns(len(records) - 1)

    def segment(self, number: int) -> Segment:
        """See Snapshot."""
        self.loads += 1
        return self._segments[number]


def make_segment(writes: Sequence[Write], before: Tally) -> Segment:
    """Make a segment of writes, and count it."""
    data, packed = b"", b""
    for write in writes:
        packed += pack_record(len(data), write.stream, write.time_ns)
        data += write.data
    records = Records(packed)
    index = LineIndex(before.is_open)
    while index.counted < len(data):
        start = index.counted
        stop = min(start + index.room(), len(data))
        index.add(data[start:stop], records.runs(start, stop))
    return Segment(before, writes[0].join, len(data), data, records, index)


@dataclass(frozen=True)
class ModelLine:
    """One line as a reader should see it."""

    number: int
    stream: str
    text: str
    time_ns: int


class RingModel:
    """The lines of a ring that forgets nothing, in the simplest way.

    Attributes:
        lines: All ended lines.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.lines: list[ModelLine] = []
        self._pending = dict.fromkeys(Stream, b"")
        self._order = list(Stream)

    def write(self, data: bytes, stream: Stream, time_ns: int) -> None:
        """Take bytes."""
        if data:
            self._order.remove(stream)
            self._order.insert(0, stream)
        *ended, rest = (self._pending[stream] + data).split(b"\n")
        self._pending[stream] = rest
        for line in ended:
            text = line.decode("utf-8", "replace")
            self.lines.append(ModelLine(len(self.lines), stream.label, text, time_ns))

    @property
    def tail(self) -> tuple[str, str] | None:
        """Give stream and text of the unended line last written to."""
        for stream in self._order:
            if self._pending[stream]:
                return stream.label, self._pending[stream].decode("utf-8", "replace")
        return None
