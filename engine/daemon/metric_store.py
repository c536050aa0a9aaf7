"""The kept figures of all instances and the host: what is open, what goes, what is too much.

All of it works on threads, never on the engine's loop: a disk may stand still for seconds.
"""

from __future__ import annotations

import threading
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import structs

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
    together,
)
from engine.core.nearest import did_you_mean
from engine.daemon.metric_file import MetricFile, file_bytes, path_of
from engine.daemon.metric_moment import HOST, read_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from engine.core.metrics import Metric
    from engine.core.moments import Moment
    from engine.core.wire import HostSample, Sample

FOLDER = ".metrics"
"""In the data directory. No service can have that name."""

SWEEP_SECONDS = 3600.0
_FILE_BYTES = file_bytes(len(INSTANCE_METRICS))
_HOST_NAMES = [each.name for each in HOST_METRICS]
_NAMES = [each.name for each in INSTANCE_METRICS]
_HOST_ROW = attrgetter(*(each.field for each in HOST_METRICS))
_ROW = attrgetter(*(each.field for each in INSTANCE_METRICS))


class MetricStore:
    """Keeps figures in the data directory.

    Attributes:
        most_bytes: All files together, with what those of running instances will grow to. Beyond
            it those of instances that run no more go, the oldest first; when all run, no more
            are begun. May be set at any time; what runs already keeps its file.
    """

    def __init__(
        self,
        data_dir: Path,
        on_trouble: Callable[[str, str], None],
        most_bytes: int,
    ) -> None:
        """Take where, and who is told once when figures cannot be kept, and when again.

        `on_trouble` takes a sentence and its level ("warning", "info"), on the thread that calls
        `take`.
        """
        self._folder = data_dir / FOLDER
        self._on_trouble = on_trouble
        self.most_bytes = most_bytes
        self._swept_for = most_bytes
        self._lock = threading.Lock()
        self._open: dict[str, MetricFile] = {}
        self._is_troubled = False
        self._is_full = False
        self._total_bytes = 0
        self._ended_bytes = 0
        self._is_counted = False
        self._refused = 0
        self._sweep_at = 0.0

    def take(self, host: HostSample, samples: Mapping[str, Sample]) -> None:
        """Keep a second; what cannot be written is left out, and said once."""
        now = host.time
        failure: OSError | None = None
        with self._lock:
            self._refused = 0
            for name in self._open.keys() - samples.keys() - {HOST}:
                self._open.pop(name).close()
                self._is_counted = False
            rows = [(name, _ROW(sample)) for name, sample in samples.items()]
            # Those that have a file first: none of theirs may give way to one that begins.
            rows.sort(key=lambda each: each[0] not in self._open and self._is_new(each[0]))
            for name, row in [(HOST, _HOST_ROW(host)), *rows]:
                try:
                    self._append(name, now, row)
                except OSError as error:
                    failure = error
            is_due = not 0 <= self._sweep_at - now <= SWEEP_SECONDS
            if is_due or self._swept_for != self.most_bytes:
                self._sweep_at, self._swept_for = now + SWEEP_SECONDS, self.most_bytes
                self._sweep(now)  # after all that runs is open, and so is not removed
            self._tell_if_full()
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

    def read_service(
        self, service: str, metric: str, *, since: float, until: float, now: float, step: int = 0
    ) -> KeptMetric:
        """Give a metric of all instances of a service together, those that are gone too.

        Raises:
            NotFound: Nothing was ever kept of any, or there is no such metric.
            Refused: The range ends before it begins.
            OSError: The disk does not read.
        """
        names = sorted(self._name(path) for path in (self._folder / service).glob("*.ring"))
        parts = []
        for name in names:
            try:
                part = self.read(name, metric, since=since, until=until, now=now, step=step)
            except NotFound:
                if self._path(name).exists():
                    raise  # no such metric
                continue  # removed meanwhile
            parts.append(part)
        if not parts:
            raise self._unknown(service)
        points = together((each.points for each in parts), parts[0].unit)
        return structs.replace(parts[0], instance=service, points=points)

    def _append(self, name: str, now: float, row: tuple[float, ...]) -> None:
        file = self._open.get(name)
        if file is None:
            path = self._path(name)
            if name != HOST and self._is_new(name):
                if not self._make_room(now):
                    self._refused += 1
                    return
                self._total_bytes += _FILE_BYTES
            names = _HOST_NAMES if name == HOST else _NAMES
            file = self._open[name] = MetricFile(path, names, now)
        file.append(now, row)

    def _reopen(self, name: str, now: float) -> MetricFile:
        path = self._path(name)
        if not path.exists():
            raise self._unknown(name)
        return MetricFile(path, _HOST_NAMES if name == HOST else _NAMES, now)

    def _unknown(self, name: str) -> NotFound:
        known = [self._name(each) for each in self._folder.glob("*/*.ring")]
        hint = did_you_mean(name, known) or "ten ps lists the instances there are"
        return NotFound(f"No metrics of {name}", hint=hint)

    def _path(self, name: str) -> Path:
        return path_of(self._folder, name)

    def _name(self, path: Path) -> str:
        return f"{path.parent.name}:{path.stem}"

    def moment(self, names: Iterable[str], at: float, now: float) -> Moment:
        """Give what was measured at a time; waits for nobody who writes.

        Raises:
            OSError: The disk does not read.
        """
        return read_moment(self._folder, names, at, now)

    def purge(self, name: str) -> None:
        """Remove all that is kept of an instance, or of "host"; what runs begins anew.

        Raises:
            NotFound: Nothing is.
            OSError: The file cannot be removed.
        """
        with self._lock:
            path = self._path(name)
            if not path.exists():
                raise self._unknown(name)
            if file := self._open.pop(name, None):
                file.close()
            path.unlink()
            self._sweep_at = 0.0

    def _is_new(self, name: str) -> bool:
        return not self._path(name).exists()

    def _make_room(self, now: float) -> bool:
        """Tell whether one more file may be begun; that of what has ended longest gives way."""
        wanted = self.most_bytes - _FILE_BYTES
        if not self._is_counted or (self._total_bytes > wanted and self._ended_bytes):
            self._sweep(now, wanted)
        return self._total_bytes <= wanted

    def _sweep(self, now: float, most_bytes: int | None = None) -> None:
        """Remove what is older than it is kept, and the oldest of what is too much."""
        most = self.most_bytes if most_bytes is None else most_bytes
        open_paths = {each.path for each in self._open.values()}
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*.ring"):
            try:
                status = path.stat()
            except OSError:
                continue
            # Only what was written takes room, but what runs goes on to be written.
            size = status.st_size if path in open_paths else status.st_blocks * 512
            found.append((status.st_mtime, size, path))
        found.sort()
        total = sum(size for _, size, _ in found)
        ended = sum(size for _, size, path in found if path not in open_paths)
        for modified, size, path in found:
            is_old = now - modified > KEEP_SECONDS
            if path not in open_paths and (is_old or total > most):
                total, ended = total - size, ended - size
                path.unlink(missing_ok=True)
        self._total_bytes = total
        self._ended_bytes = ended
        self._is_counted = True

    def _tell_if_full(self) -> None:
        is_full = self._refused > 0
        if is_full is not self._is_full:
            self._is_full = is_full
            if is_full:
                text = (
                    f"figures may take {self.most_bytes // 2**20} MiB (metrics_max), "
                    "and what runs needs them: of new instances none are kept"
                )
                self._on_trouble(text, "warning")
            else:
                self._on_trouble("there is room for the figures of all instances again", "info")


def metrics_of(name: str) -> tuple[Metric, ...]:
    """Give the metrics that are kept of an instance, or of "host"."""
    return HOST_METRICS if name == HOST else INSTANCE_METRICS
