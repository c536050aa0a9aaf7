"""The kept figures of all instances and the host: what is open, what goes, what is too much.

All of it works on threads, never on the engine's loop: a disk may stand still for seconds.
"""

from __future__ import annotations

import threading
from operator import attrgetter
from typing import TYPE_CHECKING

from engine.core.errors import NotFound, Refused
from engine.core.metrics import (
    HOST_METRICS,
    INSTANCE_METRICS,
    KEEP_SECONDS,
    LEVELS,
    KeptMetric,
    downsample,
    find_metric,
    plan_range,
)
from engine.core.nearest import did_you_mean
from engine.daemon.metric_file import MetricFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from engine.core.metrics import Metric
    from engine.core.wire import HostSample, Sample

FOLDER = ".metrics"
"""In the data directory. No service can have that name."""

HOST = "host"
MOST_BYTES = 4 * 2**30
"""All files together. Beyond it those of instances that run no more go, the oldest first; when
all run, no more are begun."""

SWEEP_SECONDS = 3600.0
_HOST_NAMES = [each.name for each in HOST_METRICS]
_NAMES = [each.name for each in INSTANCE_METRICS]
_HOST_ROW = attrgetter(*(each.field for each in HOST_METRICS))
_ROW = attrgetter(*(each.field for each in INSTANCE_METRICS))


class MetricStore:
    """Keeps figures in the data directory."""

    def __init__(
        self,
        data_dir: Path,
        on_trouble: Callable[[str, str], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Take where, and who is told once when figures cannot be kept, and when again.

        `on_trouble` takes a sentence and its level ("warning", "info"), on the thread that calls
        `take`.
        """
        self._folder = data_dir / FOLDER
        self._on_trouble = on_trouble
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._open: dict[str, MetricFile] = {}
        self._is_troubled = False
        self._is_full = False
        self._sweep_at = 0.0

    def take(self, host: HostSample, samples: Mapping[str, Sample]) -> None:
        """Keep a second; what cannot be written is left out, and said once."""
        now = host.time
        failure: OSError | None = None
        with self._lock:
            rows = [(HOST, _HOST_ROW(host))]
            rows += [(name, _ROW(sample)) for name, sample in samples.items()]
            for name, row in rows:
                try:
                    self._append(name, now, row)
                except OSError as error:
                    failure = error
            for name in self._open.keys() - samples.keys() - {HOST}:
                self._open.pop(name).close()
            if not 0 <= self._sweep_at - now <= SWEEP_SECONDS:
                self._sweep_at = now + SWEEP_SECONDS
                self._sweep(now)  # after all that runs is open, and so is not removed
        if (failure is not None) is not self._is_troubled:
            self._is_troubled = failure is not None
            if failure is not None:
                self._on_trouble(f"figures are not kept: {failure.strerror}", "warning")
            else:
                self._on_trouble("figures are kept again", "info")

    def close(self) -> None:
        """Close all files; the next `take` opens them again."""
        with self._lock:
            for each in self._open.values():
                each.close()
            self._open.clear()

    def read(
        self, name: str, metric: str, *, since: float, until: float, now: float, step: int = 0
    ) -> KeptMetric:
        """Give a metric of an instance, or of "host", from `since` up to `until`.

        Raises:
            NotFound: Nothing was ever kept of it, or there is no such metric.
            Refused: The range ends before it begins.
            OSError: The disk does not read.
        """
        if since >= until:
            raise Refused("The range is empty: since must be before until")
        known = metrics_of(name)
        place = find_metric(known, metric)
        wanted = plan_range(since, until, now, step)
        unit = LEVELS[wanted.level].step_seconds
        with self._lock:
            file = self._open.get(name)
            is_mine = file is None
            file = file or self._reopen(name, now)
            try:
                records = file.read(wanted.level, place, wanted.since // unit, wanted.until // unit)
            finally:
                if is_mine:
                    file.close()
        return KeptMetric(
            instance=name,
            name=metric,
            unit=known[place].unit,
            since=wanted.since,
            until=wanted.until,
            step=wanted.step,
            points=downsample(records, unit, wanted),
        )

    def _append(self, name: str, now: float, row: tuple[float, ...]) -> None:
        file = self._open.get(name)
        if file is None:
            path = self._path(name)
            if self._is_full and name != HOST and not path.exists():
                return
            names = _HOST_NAMES if name == HOST else _NAMES
            file = self._open[name] = MetricFile(path, names, now)
        file.append(now, row)

    def _reopen(self, name: str, now: float) -> MetricFile:
        path = self._path(name)
        if not path.exists():
            known = [self._name(each) for each in self._folder.glob("*/*.ring")]
            hint = did_you_mean(name, known) or "ten ps lists the instances there are"
            message = f"No metrics of {name}"
            raise NotFound(message, hint=hint)
        return MetricFile(path, _HOST_NAMES if name == HOST else _NAMES, now)

    def _path(self, name: str) -> Path:
        if name == HOST:
            return self._folder / "host.ring"
        service, _, ident = name.partition(":")
        return self._folder / service / f"{ident}.ring"

    def _name(self, path: Path) -> str:
        return f"{path.parent.name}:{path.stem}"

    def _sweep(self, now: float) -> None:
        """Remove what is older than it is kept, and the oldest of what is too much."""
        open_paths = {each.path for each in self._open.values()}
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*.ring"):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_mtime, status.st_blocks * 512, path))
        found.sort()
        total = sum(size for _, size, _ in found)
        for modified, size, path in found:
            is_old = now - modified > KEEP_SECONDS
            if path not in open_paths and (is_old or total > self._most_bytes):
                total -= size
                path.unlink(missing_ok=True)
        if (total > self._most_bytes) is not self._is_full:
            self._is_full = total > self._most_bytes
            if self._is_full:
                text = f"figures take {total // 2**20} MiB: of new instances none are kept"
                self._on_trouble(text, "warning")


def metrics_of(name: str) -> tuple[Metric, ...]:
    """Give the metrics that are kept of an instance, or of "host"."""
    return HOST_METRICS if name == HOST else INSTANCE_METRICS
