"""All figures of one moment of the past: what a console that looks back shows in its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS, LEVELS
from engine.core.wire import HostSample, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.core.metrics import Metric

SPARK_BINS = 10
SPARK_SECONDS = 6
"""The log rate of the minute before, in bins aligned to the clock."""

MARGIN_SECONDS = 60
"""A ring is read to this far from its far end: what is there may be overwritten meanwhile."""

_WHOLE = frozenset(
    name
    for kind in (Sample, HostSample)
    for name, written in kind.__annotations__.items()
    if written in {"int", int}
)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at a time; who was not running has no sample.

    Attributes:
        step: Seconds the figures are a mean of: those of the finest ring that reaches back.
        lines, errors: Lines a second in the minute before, of all and of stderr: `SPARK_BINS`
            bins, the newest last.
    """

    at: float
    step: int
    host: HostSample
    instances: dict[str, Sample]
    lines: dict[str, list[float]]
    errors: dict[str, list[float]]


def level_of(at: float, now: float) -> int:
    """Choose the finest ring that reaches back to a time."""
    for level, each in enumerate(LEVELS):
        if now - at < each.span_seconds - MARGIN_SECONDS:
            return level
    return len(LEVELS) - 1


def whole_host(moment: Moment, host: HostSample) -> Moment:
    """Add what of the host does not change, and is not kept: its size."""
    full = msgspec.structs.replace(
        moment.host,
        cores=host.cores,
        memory_total_bytes=host.memory_total_bytes,
        disk_total_bytes=host.disk_total_bytes,
    )
    return msgspec.structs.replace(moment, host=full)


def sample_at(at: float, values: Sequence[float]) -> Sample:
    """Make a sample of the kept figures of an instance."""
    return Sample(at, **_fields(INSTANCE_METRICS, values))


def host_sample_at(at: float, values: Sequence[float]) -> HostSample:
    """Make a sample of the kept figures of the host; what is not kept of it is not in it."""
    return HostSample(at, **_fields(HOST_METRICS, values))


def _fields(metrics: Sequence[Metric], values: Sequence[float]) -> dict[str, Any]:
    return {
        metric.field: round(value) if metric.field in _WHOLE else value
        for metric, value in zip(metrics, values, strict=True)
    }


def spark_bins(means: Mapping[int, float], unit: int, at: float) -> list[float]:
    """Bring means by slot, of `unit` seconds each, to the bins of a log rate."""
    last = int(at // SPARK_SECONDS)
    bins = []
    for number in range(last - SPARK_BINS + 1, last + 1):
        begin, end = number * SPARK_SECONDS, (number + 1) * SPARK_SECONDS
        slots = range(begin // unit, (end - 1) // unit + 1)
        found = [means[slot] for slot in slots if slot in means]
        bins.append(sum(found) / len(found) if found else 0.0)
    return bins
