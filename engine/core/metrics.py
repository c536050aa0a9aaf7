"""Figures kept over time: which there are, in which steps, and how a record of them looks.

Three rings for each instance and for the host: 1 s for 15 minutes, 10 s for 24 hours, 5 minutes
for 90 days. A record of the first ring has the figures of one second; one of the others has the
least, the greatest, the mean and the last of each figure. Figures are packed as in
`engine.core.series`: 16 bits, exact to 0.05%. That code grows with its figure, so the least and
the greatest of many are found without unpacking them.
"""

from __future__ import annotations

import math
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.core.errors import NotFound
from engine.core.nearest import did_you_mean
from engine.core.series import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_POINTS = 400
"""A range is answered in so many points at most: more than a terminal has columns."""


class Level(NamedTuple):
    """One ring: how long a step is, and how many it holds."""

    step_seconds: int
    slots: int

    @property
    def span_seconds(self) -> int:
        """How far back it reaches."""
        return self.step_seconds * self.slots


LEVELS = (Level(1, 900), Level(10, 8640), Level(300, 25920))
KEEP_SECONDS = LEVELS[-1].span_seconds


class Metric(msgspec.Struct, frozen=True):
    """A figure that is kept.

    Attributes:
        name: What users call it.
        unit: "cores", "bytes", "bytes/s", "/s", "ms", "%", "share" or "" for a plain number.
        field: Where a Sample or a HostSample has it.
    """

    name: str
    unit: str
    field: str


INSTANCE_METRICS = (
    Metric("cpu", "cores", "cpu_cores"),
    Metric("cpu_limit", "cores", "cpu_quota_cores"),
    Metric("throttled", "share", "throttled"),
    Metric("memory", "bytes", "memory_bytes"),
    Metric("memory_limit", "bytes", "memory_limit_bytes"),
    Metric("swap", "bytes", "swap_bytes"),
    Metric("io_read", "bytes/s", "io_read_bytes"),
    Metric("io_write", "bytes/s", "io_write_bytes"),
    Metric("requests", "/s", "requests"),
    Metric("errors", "/s", "errors"),
    Metric("p50", "ms", "p50_ms"),
    Metric("p95", "ms", "p95_ms"),
    Metric("p99", "ms", "p99_ms"),
    Metric("inflight", "", "inflight"),
    Metric("log_lines", "/s", "log_lines"),
    Metric("log_errors", "/s", "log_errors"),
    Metric("pids", "", "pids"),
    Metric("restarts", "", "restarts"),
    Metric("psi_cpu", "%", "psi_cpu"),
    Metric("psi_memory", "%", "psi_memory"),
    Metric("psi_io", "%", "psi_io"),
    Metric("psi_cpu_full", "%", "psi_cpu_full"),
    Metric("psi_memory_full", "%", "psi_memory_full"),
    Metric("psi_io_full", "%", "psi_io_full"),
)

HOST_METRICS = (
    Metric("cpu", "cores", "cpu_cores"),
    Metric("memory", "bytes", "memory_bytes"),
    Metric("swap", "bytes", "swap_bytes"),
    Metric("load", "", "load1"),
    Metric("requests", "/s", "requests"),
    Metric("errors", "/s", "errors"),
    Metric("p50", "ms", "p50_ms"),
    Metric("p95", "ms", "p95_ms"),
    Metric("p99", "ms", "p99_ms"),
    Metric("disk_free", "bytes", "disk_free_bytes"),
    Metric("engine_cpu", "cores", "engine_cpu_cores"),
    Metric("psi_cpu", "%", "psi_cpu"),
    Metric("psi_memory", "%", "psi_memory"),
    Metric("psi_io", "%", "psi_io"),
    Metric("psi_memory_full", "%", "psi_memory_full"),
    Metric("psi_io_full", "%", "psi_io_full"),
)


def find_metric(metrics: Sequence[Metric], name: str) -> int:
    """Give the place of a metric.

    Raises:
        NotFound: There is none of that name; the hint names the nearest, or all.
    """
    names = [each.name for each in metrics]
    if name in names:
        return names.index(name)
    hint = did_you_mean(name.lower(), names) or f"there are {', '.join(names)}"
    message = f"Unknown metric: {name[:40]}"
    raise NotFound(message, hint=hint)


def next_slot(last: int, time: float) -> int:
    """Tell which second a sample is of; `last` is that of the sample before, 0 for none.

    Samples come once a second but a little early or late: near the turn of a second that would
    leave one out and give two to another. So the next second is taken as long as the clock is
    within one second of its middle; after a stall or a step of the clock it is the clock's.
    """
    if last and -0.5 <= time - (last + 1) < 1.5:
        return last + 1
    return int(time)


class Aggregate(NamedTuple):
    """Figures over a time: for each metric the least, the greatest, the mean and the last."""

    seconds: int
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    means: tuple[float, ...]
    lasts: tuple[float, ...]


def aggregate(rows: Sequence[Sequence[float]]) -> Aggregate:
    """Sum up seconds, oldest first; at least one."""
    columns = list(zip(*rows, strict=True))
    count = len(rows)
    return Aggregate(
        count,
        tuple(map(min, columns)),
        tuple(map(max, columns)),
        tuple(sum(column) / count for column in columns),
        tuple(rows[-1]),
    )


def merge(parts: Sequence[Aggregate]) -> Aggregate:
    """Sum up what is summed up already, oldest first; at least one."""
    count = sum(part.seconds for part in parts)
    weights = [part.seconds for part in parts]
    return Aggregate(
        count,
        tuple(map(min, zip(*(part.lows for part in parts), strict=True))),
        tuple(map(max, zip(*(part.highs for part in parts), strict=True))),
        tuple(
            sum(map(float.__mul__, map(float, column), map(float, weights))) / count
            for column in zip(*(part.means for part in parts), strict=True)
        ),
        parts[-1].lasts,
    )


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A step of an answer; `time` is its begin. A step without a sample has no point."""

    time: int
    low: float
    high: float
    mean: float
    last: float


class KeptMetric(msgspec.Struct, frozen=True, kw_only=True):
    """The past of one metric.

    Attributes:
        instance: "service:id", or "host".
        since, until: The range, seconds since the epoch; `until` is not part of it.
        step: Seconds from point to point.
        points: Oldest first; where nothing was sampled there is none.
    """

    instance: str
    name: str
    unit: str
    since: int
    until: int
    step: int
    points: list[Point]


class Range(NamedTuple):
    """How a question is answered: from which ring, from when to when, in which steps."""

    level: int
    since: int
    until: int
    step: int


def plan_range(since: float, until: float, now: float, step: int = 0) -> Range:
    """Choose the ring that reaches back to `since`, and a step that gives MAX_POINTS at most.

    Where the step asked for (0: as fine as can be) is that of a coarser ring or more, that ring
    is read. The range is widened to whole steps, and ends at most one step after now.
    """
    until = min(until, now + 1)
    since = min(max(since, now - KEEP_SECONDS), until)
    wanted = max(step, math.ceil((until - since) / (MAX_POINTS - 1)), 1)
    level = 0
    for index, (each, finer) in enumerate(zip(LEVELS[1:], LEVELS, strict=False), 1):
        if wanted >= each.step_seconds or now - since > finer.span_seconds:
            level = index
    unit = LEVELS[level].step_seconds
    chosen = math.ceil(wanted / unit) * unit
    first = math.floor(since / chosen) * chosen
    return Range(level, first, max(math.ceil(until / chosen) * chosen, first + chosen), chosen)


class Record(NamedTuple):
    """One metric out of a record, its figures still packed."""

    slot: int
    seconds: int
    low: int
    high: int
    mean: int
    last: int


class Layout:
    """Records of so many metrics: CRC-32 of what follows, slot, seconds counted, figures.

    A slot is the time divided by the ring's step: a record that was overwritten half or belongs
    to an earlier turn of the ring is known by one of the two.
    """

    _HEAD = struct.Struct("<IIH")

    def __init__(self, metrics: int) -> None:
        """Take how many metrics a record has."""
        self.metrics = metrics
        self.sizes = tuple(
            self._HEAD.size + 2 * metrics * (1 if index == 0 else 4) for index in range(len(LEVELS))
        )
        self.offsets = (
            0,
            self.sizes[0] * LEVELS[0].slots,
            self.sizes[0] * LEVELS[0].slots + self.sizes[1] * LEVELS[1].slots,
        )
        self.size = self.offsets[2] + self.sizes[2] * LEVELS[2].slots

    def pack(self, slot: int, count: int, *groups: Sequence[float]) -> bytes:
        """Write a record; one group of figures for the first ring, four for the others."""
        codes = [encode(value) if value else 0 for group in groups for value in group]
        body = struct.pack(f"<IH{len(codes)}H", slot, count, *codes)
        return struct.pack("<I", zlib.crc32(body)) + body

    def rows(self, data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Read all sound records of the first ring as they lie: slots, and figures still packed."""
        size = self.sizes[0]
        whole = struct.Struct(f"<IIH{self.metrics}H")
        for place in range(0, len(data) - size + 1, size):
            crc, slot, _, *codes = whole.unpack_from(data, place)
            if slot and zlib.crc32(data[place + 4 : place + size]) == crc:
                yield slot, tuple(codes)

    def means(self, level: int, data: bytes, slot: int) -> tuple[int, ...] | None:
        """Read the means of all metrics from one record; None if it is not sound, or another's."""
        size, count = self.sizes[level], self.metrics
        if len(data) != size:
            return None
        crc, number, _, *codes = struct.unpack(f"<IIH{(size - self._HEAD.size) // 2}H", data)
        if number != slot or zlib.crc32(memoryview(data)[4:]) != crc:
            return None
        return tuple(codes[2 * count : 3 * count] if level else codes)

    def records(self, level: int, metric: int, data: bytes, first: int) -> Iterator[Record]:
        """Read one metric from records that lie side by side; the first should be of slot `first`.

        What is torn, was never written or is of another turn is left out.
        """
        size, view = self.sizes[level], memoryview(data)
        layout = _picker(self.metrics, metric, is_plain=level == 0)
        expected = first
        place = 0
        for found in layout.iter_unpack(view[: len(data) // size * size]):
            if found[1] == expected and zlib.crc32(view[place + 4 : place + size]) == found[0]:
                if level:
                    yield Record(*found[1:])
                else:
                    value = found[3]
                    yield Record(expected, 1, value, value, value, value)
            expected += 1
            place += size


@cache
def _picker(metrics: int, metric: int, *, is_plain: bool) -> struct.Struct:
    if is_plain:
        return struct.Struct(f"<IIH{2 * metric}xH{2 * (metrics - 1 - metric)}x")
    between = f"{2 * (metrics - 1)}x"
    return struct.Struct(
        f"<IIH{2 * metric}xH{between}H{between}H{between}H{2 * (metrics - 1 - metric)}x"
    )


def downsample(records: Iterable[Record], unit: int, wanted: Range) -> list[Point]:
    """Bring records of steps of `unit` seconds, oldest first, to the points of an answer."""
    points: list[Point] = []
    group: list[Record] = []
    current = -1
    for record in records:
        time = record.slot * unit
        if not wanted.since <= time < wanted.until:
            continue
        begin = time - time % wanted.step
        if begin != current and group:
            points.append(_point(current, group))
            group = []
        current = begin
        group.append(record)
    if group:
        points.append(_point(current, group))
    return points


def _point(time: int, group: list[Record]) -> Point:
    _, counts, lows, highs, means, lasts = zip(*group, strict=True)
    total = sum(counts) or 1
    mean = sum(map(float.__mul__, map(decode, means), map(float, counts))) / total
    return Point(time, decode(min(lows)), decode(max(highs)), mean, decode(lasts[-1]))


_OF_ONE = frozenset({"ms", "%", "share"})
"""Units of which instances have no sum: the greatest is told."""


def together(parts: Iterable[Iterable[Point]], unit: str) -> list[Point]:
    """Put the points of several instances together, all of one range.

    Means add up. So do least and greatest, which then are bounds: not all have theirs at once.
    """
    by_time: dict[int, list[Point]] = {}
    for points in parts:
        for point in points:
            by_time.setdefault(point.time, []).append(point)
    how = max if unit in _OF_ONE else sum
    return [
        Point(
            time,
            how(each.low for each in found),
            how(each.high for each in found),
            how(each.mean for each in found),
            how(each.last for each in found),
        )
        for time, found in sorted(by_time.items())
    ]
