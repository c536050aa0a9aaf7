"""A bundle asked like an engine: the console's client of `ten --replay`."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.core.errors import NotFound, Refused, TenError
from engine.core.logquery import SEARCH_BYTES
from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS, KeptMetric, together
from engine.core.moments import Moment, host_sample_at, sample_at, spark_bins, whole_host
from engine.core.wire import LogLine, LogMatches, LogWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.core.doctor import Report
    from engine.core.metrics import Metric, Point
    from engine.core.wire import Event, Sample, Snapshot, Update
    from ten_tui.client.bundle_file import Bundle

T = TypeVar("T")

_ROLLOUTS = "/api/rollouts"


class Recording:
    """What a bundle holds, in the order that questions want; shared by the threads that read it."""

    def __init__(self, bundle: Bundle) -> None:
        """Sort a bundle."""
        self.manifest = bundle.manifest
        self.doctor = bundle.doctor
        self.events = sorted(bundle.events, key=lambda event: event.id)
        self.samples = {each.name: each.samples for each in bundle.samples}
        self.metrics = {(each.instance, each.name): _sorted(each) for each in bundle.metrics}
        self.rings: dict[str, list[LogLine]] = {}
        for window in bundle.logs:
            self.rings.setdefault(window.name, []).extend(window.lines)
        for lines in self.rings.values():
            lines.sort(key=lambda line: line.number)
        self.state = _marked(bundle)

    def connect(self) -> Replay:
        """Make a client; each thread has its own."""
        return Replay(self)


def _marked(bundle: Bundle) -> Snapshot:
    """Say in the state of the engine that it is a recording, and of when."""
    manifest = bundle.manifest
    begin, end = _stamp(manifest.since), _stamp(manifest.until)
    day = begin.partition(" ")[0]
    banner = f"recording of {manifest.host} from {begin} to {end.removeprefix(f'{day} ')}"
    engine = msgspec.structs.replace(bundle.state.engine, banner=banner, is_recording=True)
    return msgspec.structs.replace(bundle.state, engine=engine, consoles=())


def _stamp(time: float) -> str:
    try:
        return f"{datetime.fromtimestamp(time, UTC).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "?"


def _sorted(metric: KeptMetric) -> KeptMetric:
    points = sorted(metric.points, key=lambda point: point.time)
    return msgspec.structs.replace(metric, points=points)


class Replay:
    """Answers for one thread. What acts is refused; what was not recorded is said so."""

    def __init__(self, recording: Recording) -> None:
        """Take the recording."""
        self._recording = recording
        self._closed = threading.Event()

    def close(self) -> None:
        """Leave; wakes a thread that waits in this client."""
        self._closed.set()

    # --- state ---

    def snapshot(self) -> Snapshot:
        """Give the state at the end of the recording."""
        return self._recording.state

    def stream(self) -> Iterator[Update]:
        """Yield the state; nothing comes after it."""
        yield self._recording.state
        self._closed.wait()

    def doctor(self) -> Report:
        """Give what was found of the host."""
        if self._recording.doctor is None:
            raise NotFound("The recording has no report of its host")
        return self._recording.doctor

    def inspect(self, name: str) -> object:
        """Say that processes are not recorded."""
        message = f"The recording does not hold what the process of {name} had"
        raise NotFound(message)

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """List events past one; without one, the newest."""
        found = [event for event in self._recording.events if event.id > after]
        return found[:limit] if after else found[-limit:]

    # --- figures ---

    def metrics(self, name: str, seconds: int = 900) -> list[Sample]:
        """Give the newest samples, oldest first."""
        since = self._recording.manifest.until - seconds
        return [each for each in self._recording.samples.get(name, []) if each.time >= since]

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        """Give the past of metrics, in the steps they were recorded in."""
        return [self._kept(name, metric, since, until) for metric in metrics]

    def _kept(self, name: str, metric: str, since: float, until: float) -> KeptMetric:
        found = self._recording.metrics.get((name, metric))
        if name.endswith(":"):
            found = self._service(name, metric)
        if found is None:
            message = f"The recording has no {metric} of {name}"
            raise NotFound(message)
        begin = bisect_left(found.points, since, key=_time)
        end = bisect_left(found.points, until, key=_time)
        return msgspec.structs.replace(
            found, since=int(since), until=int(until), points=found.points[begin:end]
        )

    def _service(self, name: str, metric: str) -> KeptMetric | None:
        """Put a service's instances together; None where none of them was recorded."""
        parts = [
            each
            for (one, what), each in sorted(self._recording.metrics.items())
            if what == metric and one.startswith(name)
        ]
        if not parts:
            return None
        points = together((each.points for each in parts), parts[0].unit)
        return msgspec.structs.replace(parts[0], instance=name[:-1], points=points)

    def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        """Give all figures of a time; who was not running has no sample."""
        recording = self._recording
        host = self._at("host", HOST_METRICS, at)
        every = names or sorted({name for name, _ in recording.metrics} - {"host"})
        found = {name: self._at(name, INSTANCE_METRICS, at) for name in every}
        moment = Moment(
            at=at,
            step=max((each.step for each in recording.metrics.values()), default=1),
            host=host_sample_at(at, host or [0.0] * len(HOST_METRICS)),
            instances={name: sample_at(at, row) for name, row in found.items() if row},
            lines={name: self._bins(name, "log_lines", at) for name in every},
            errors={name: self._bins(name, "log_errors", at) for name in every},
        )
        return whole_host(moment, recording.state.host)

    def _at(self, name: str, metrics: Sequence[Metric], at: float) -> list[float] | None:
        row = [self._value(name, metric.name, at) for metric in metrics]
        if all(value is None for value in row):
            return None
        return [value or 0.0 for value in row]

    def _value(self, name: str, metric: str, at: float) -> float | None:
        found = self._recording.metrics.get((name, metric))
        if found is None:
            return None
        place = bisect_right(found.points, at, key=_time) - 1
        if place < 0 or at - found.points[place].time >= max(1, found.step):
            return None
        return found.points[place].mean

    def _bins(self, name: str, metric: str, at: float) -> list[float]:
        found = self._recording.metrics.get((name, metric))
        unit = max(1, found.step) if found else 1
        points = found.points if found else []
        return spark_bins({point.time // unit: point.mean for point in points}, unit, at)

    # --- logs ---

    def log_window(
        self,
        name: str,
        *,
        first: int | None = None,
        count: int = 100,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
        context: int = 0,
        wait_end: int | None = None,
        wait_seconds: float = 0.0,
    ) -> LogWindow:
        """Read lines as the engine does; no line comes, so a wait lasts."""
        ring = self._ring(name)
        end = ring[-1].number + 1 if ring else 0
        if wait_end == end and wait_seconds:
            self._closed.wait(wait_seconds)
        kept = [
            line
            for line in ring
            if (not stream or line.stream == stream)
            and line.time_ns >= since_ns
            and (not until_ns or line.time_ns <= until_ns)
        ]
        found = _around(kept, [text in line.text for line in kept], context) if text else kept
        if first is None:
            found = found[-count:] if count else []
        else:
            found = found[bisect_left(found, first, key=_number) :][:count]
        return LogWindow(name=name, oldest=ring[0].number if ring else 0, end=end, lines=found)

    def log_search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool = False,
        is_regex: bool = False,
        limit: int = 1,
        context: int = 0,
    ) -> LogMatches:
        """Search from a line on; the only regex that is asked for is the console's own."""
        pattern = re.compile(text if is_regex else re.escape(text))
        ring = self._ring(name)
        if is_backward:
            rest = list(reversed(ring[: bisect_right(ring, first, key=_number)]))
        else:
            rest = ring[bisect_left(ring, first, key=_number) :]
        hits = [bool(pattern.search(line.text, 0, SEARCH_BYTES)) for line in rest]
        places = [place for place, is_hit in enumerate(hits) if is_hit]
        following = -1
        if len(places) > limit:
            following = rest[places[limit]].number
            hits[places[limit] :] = [False] * (len(hits) - places[limit])
        return LogMatches(name=name, lines=_around(rest, hits, context), next=following)

    def _ring(self, name: str) -> list[LogLine]:
        ring = self._recording.rings.get(name)
        if ring is None:
            message = f"The recording has no log of {name}"
            raise NotFound(message)
        return ring

    # --- what acts ---

    def ask(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        """Give rollouts; refuse all else."""
        if method != "GET":
            raise _refused()
        rollouts = self._recording.state.rollouts
        if path == _ROLLOUTS:
            return msgspec.convert(rollouts, shape)
        for one in rollouts:
            if path == f"{_ROLLOUTS}/{one.service}":
                return msgspec.convert(one, shape, from_attributes=True)
        raise NotFound("The recording does not hold that")

    def spawn(self, name: str) -> object:
        """Refuse."""
        raise _refused()

    def stop(self, name: str, *, hold_seconds: float = 0.0) -> object:
        """Refuse."""
        raise _refused()

    def restart(self, name: str) -> object:
        """Refuse."""
        raise _refused()

    def undo(self, name: str) -> str:
        """Refuse."""
        raise _refused()

    def set_weight(self, name: str, weight: int) -> object:
        """Refuse."""
        raise _refused()

    def set_limits(self, name: str, texts: dict[str, str]) -> object:
        """Refuse."""
        raise _refused()

    def deploy(self, service: str, version: str, *, weight: int, timeout: int) -> object:
        """Refuse."""
        raise _refused()

    def reload(self) -> object:
        """Refuse."""
        raise _refused()


def _refused() -> TenError:
    return Refused("This is a recording: nothing can be done in it")


def _time(point: Point) -> int:
    return point.time


def _number(line: LogLine) -> int:
    return line.number


def _around(lines: list[LogLine], hits: list[bool], context: int) -> list[LogLine]:
    """Give lines that hit, and so many before and after each, every one once."""
    if not context:
        return [line for line, is_hit in zip(lines, hits, strict=True) if is_hit]
    places = [place for place, is_hit in enumerate(hits) if is_hit]
    wanted: set[int] = set()
    for place in places:
        wanted.update(range(max(0, place - context), min(len(lines), place + context + 1)))
    return [lines[place] for place in sorted(wanted)]
