"""Reads one moment out of the kept figures of many instances.

Each file is opened for itself and only read, so that whoever writes is never waited for: a record
that is being written fails its checksum and counts as not there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS, LEVELS, Layout, find_metric
from engine.core.moments import (
    SPARK_BINS,
    SPARK_SECONDS,
    Moment,
    host_sample_at,
    level_of,
    sample_at,
    spark_bins,
)
from engine.core.series import decode
from engine.core.wire import HostSample
from engine.daemon.metric_file import HEADER_BYTES, header_of, path_of, read_stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from engine.core.metrics import Metric

HOST = "host"
_LATE_SECONDS = 2
"""A second that was left out is stood in for by one of those before."""

_LINES, _ERRORS = (find_metric(INSTANCE_METRICS, name) for name in ("log_lines", "log_errors"))


def read_moment(folder: Path, names: Iterable[str], at: float, now: float) -> Moment:
    """Give what was measured of the host and of these instances at a time.

    Raises:
        OSError: The disk does not read; files that are not there are no error.
    """
    level = level_of(at, now)
    with_host = _Reader(folder, HOST, HOST_METRICS, level)
    values = with_host.values(at)
    moment = Moment(
        at=at,
        step=LEVELS[level].step_seconds,
        host=HostSample(at) if values is None else host_sample_at(at, values),
        instances={},
        lines={},
        errors={},
    )
    for name in names:
        reader = _Reader(folder, name, INSTANCE_METRICS, level)
        if (values := reader.values(at)) is not None:
            moment.instances[name] = sample_at(at, values)
            moment.lines[name] = reader.spark(_LINES, at)
            moment.errors[name] = reader.spark(_ERRORS, at)
    return moment


class _Reader:
    """One file; what it does not have is None, or a rate of 0."""

    def __init__(self, folder: Path, name: str, metrics: Sequence[Metric], level: int) -> None:
        self._path = path_of(folder, name)
        self._header = header_of([each.name for each in metrics])
        self._layout = Layout(len(metrics))
        self._level = level
        self._minute: dict[int, list[tuple[int, float]]] = {}

    def values(self, at: float) -> list[float] | None:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            if os.pread(fd, HEADER_BYTES, 0) != self._header:
                return None
            found = self._values(fd, at)
            if found is not None and self._layout.metrics == len(INSTANCE_METRICS):
                self._read_minute(fd, at)
            return found
        finally:
            os.close(fd)

    def _values(self, fd: int, at: float) -> list[float] | None:
        unit = LEVELS[self._level].step_seconds
        slot = int(at) // unit
        oldest = slot - _LATE_SECONDS if self._level == 0 else slot
        for number in range(slot, oldest - 1, -1):
            place = number % LEVELS[self._level].slots * self._layout.sizes[self._level]
            offset = HEADER_BYTES + self._layout.offsets[self._level] + place
            data = os.pread(fd, self._layout.sizes[self._level], offset)
            codes = self._layout.means(self._level, data, number)
            if codes is not None:
                return [decode(code) if code else 0.0 for code in codes]
        return None

    def _read_minute(self, fd: int, at: float) -> None:
        unit = LEVELS[self._level].step_seconds
        first = int(at - SPARK_BINS * SPARK_SECONDS) // unit
        for metric in (_LINES, _ERRORS):
            records = read_stretch(
                fd, self._layout, self._level, metric, first, int(at) // unit + 1
            )
            self._minute[metric] = [(each.slot, decode(each.mean)) for each in records]

    def spark(self, metric: int, at: float) -> list[float]:
        unit = LEVELS[self._level].step_seconds
        return spark_bins(dict(self._minute.get(metric, ())), unit, at)
