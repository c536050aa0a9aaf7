"""The client that a console under test asks: answers out of a `FakeEngine`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.core.errors import EngineUnreachable, NotFound, Refused
from engine.core.metrics import INSTANCE_METRICS, KeptMetric, Point, plan_range
from engine.core.moments import Moment
from engine.core.wire import (
    Desired,
    Event,
    InstanceView,
    LogLine,
    LogMatches,
    LogWindow,
    Sample,
    Samples,
    Snapshot,
    State,
    Update,
)
from tests.tui.demo import QUIET, sample_of
from tests.tui.fake_rollouts import answer
from tests.tui.looks import demo_inspection, demo_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.tui.fake import FakeEngine


T = TypeVar("T")


class FakeClient:
    """One connection."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.is_closed = False

    def _check(self) -> None:
        if self.engine.is_down or self.is_closed:
            raise EngineUnreachable("the engine is gone")

    def close(self) -> None:
        with self.engine.changed:
            self.is_closed = True
            self.engine.changed.notify_all()

    def snapshot(self) -> Snapshot:
        self._check()
        return self.engine.snapshot()

    def stream(self) -> Iterator[Update]:
        self._check()
        engine = self.engine
        queue: list[Update] = []
        generation = engine.generation
        engine.queues.append(queue)
        try:
            yield engine.snapshot()
            tick = time.monotonic() + 1.0
            while True:
                with engine.changed:
                    if not queue:
                        engine.changed.wait(
                            max(0.0, tick - time.monotonic()) if engine.is_ticking else 5.0
                        )
                    if engine.generation != generation:
                        raise EngineUnreachable("the engine is gone")
                    if self.is_closed:
                        return
                    items, queue[:] = list(queue), []
                yield from items
                if engine.is_ticking and time.monotonic() >= tick:
                    tick += 1.0
                    yield Samples(
                        host=engine.host(), instances=engine.samples(), consoles=engine.consoles
                    )
        finally:
            engine.queues.remove(queue)

    def _act(self, word: str, name: str, *more: object) -> InstanceView:
        self._check()
        self.engine.calls.append((word, name, *more))
        if self.engine.is_read_only:
            raise Refused("this credential may only look")
        if name not in self.engine.instances:
            raise NotFound(f"{name} is not known")
        return self.engine.instances[name]

    def spawn(self, name: str) -> object:
        self._act("spawn", name)
        self.engine.change(name, state=State.HEALTHY, desired=Desired.RUNNING, pid=6000, why=None)
        return self.engine.instances[name]

    def stop(self, name: str, *, hold_seconds: float = 0.0) -> object:
        self._act("stop", name, hold_seconds)
        self.engine.change(
            name,
            state=State.DRAINING,
            desired=Desired.STOPPED,
            undo="stop",
            until=self.engine.now() + hold_seconds,
        )
        return None

    def restart(self, name: str) -> object:
        one = self._act("restart", name)
        self.engine.change(name, state=State.STARTING, restarts=one.restarts + 1)
        self.engine.happen(
            f"restarted {name}", instance=name, actor="root", command=f"ten restart {name}"
        )
        return None

    def undo(self, name: str) -> str:
        one = self._act("undo", name)
        if not one.undo:
            raise Refused("nothing to undo any more")
        self.engine.change(name, state=State.HEALTHY, desired=Desired.RUNNING, undo="", until=0.0)
        return one.undo

    def set_weight(self, name: str, weight: int) -> object:
        one = self._act("weight", name, weight)
        self.engine.change(name, weight=weight, undo=f"weight {one.weight}")
        return None

    def set_limits(self, name: str, texts: dict[str, str]) -> object:
        self._act("set", name, dict(texts))
        return None

    def deploy(self, service: str, version: str, *, weight: int, timeout: int) -> object:
        self._check()
        self.engine.calls.append(("deploy", f"{service}:{version}", weight))
        return None

    def ask(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        self._check()
        value = answer(self.engine, method, path, body)
        return msgspec.convert(msgspec.to_builtins(value), shape)

    def inspect(self, name: str) -> object:
        self._check()
        self.engine.calls.append(("inspect", name))
        if name not in self.engine.instances:
            raise NotFound(f"Unknown instance: {name}; did you mean api:alice?")
        return demo_inspection(name)

    def doctor(self) -> object:
        self._check()
        return demo_report()

    def reload(self) -> object:
        self.engine.calls.append(("reload",))
        return self.engine.config

    def metrics(self, name: str, seconds: int) -> list[Sample]:
        self._check()
        one = self.engine.instances.get(name)
        if one is None:
            raise NotFound(name)
        now = self.engine.now()
        span = range(min(seconds, 320), 0, -1)
        if one.state in QUIET:
            return [
                sample_of(name, now - 90 - back, self.engine.busy) for back in span if back < 220
            ]
        return [sample_of(name, now - back, self.engine.busy) for back in span]

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        self._check()
        if name == "host":
            raise NotFound("nothing is kept of this host")
        self.engine.asked.append(("kept", name, tuple(metrics), since, until, step))
        wanted = plan_range(since, until, self.engine.now(), step)
        fields = {each.name: each.field for each in INSTANCE_METRICS}
        units = {each.name: each.unit for each in INSTANCE_METRICS}
        times = range(wanted.since, min(wanted.until, int(self.engine.now())), wanted.step)
        samples = [(at, sample_of(name, at, self.engine.busy)) for at in times]
        found = []
        for metric in metrics:
            values = [(at, float(getattr(sample, fields[metric]))) for at, sample in samples]
            points = [Point(at, v * 0.5, v * 1.25, v, v) for at, v in values]
            found.append(
                KeptMetric(
                    instance=name,
                    name=metric,
                    unit=units[metric],
                    since=wanted.since,
                    until=wanted.until,
                    step=wanted.step,
                    points=points,
                )
            )
        return found

    def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        self._check()
        self.engine.asked.append(("moment", at, tuple(names)))
        up = [n for n, one in self.engine.instances.items() if one.state not in QUIET]
        samples = {n: sample_of(n, at) for n in up if not names or n in names}
        return Moment(
            at=at,
            step=1,
            host=msgspec.structs.replace(self.engine.host(), time=at, cpu_cores=6.5),
            instances=samples,
            lines={n: [float(place * 3) for place in range(10)] for n in samples},
            errors={n: [0.0] * 10 for n in samples},
        )

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        self._check()
        return [event for event in self.engine.events if event.id > after][-limit:]

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
        self._check()
        until = time.monotonic() + wait_seconds
        while (
            wait_end is not None and self.engine.end(name) <= wait_end and time.monotonic() < until
        ):
            with self.engine.changed:
                if self.is_closed or self.engine.is_down:
                    raise EngineUnreachable("closed")
                self.engine.changed.wait(0.05)

        def keep(line: LogLine) -> bool:
            return (
                (not stream or line.stream == stream)
                and text in line.text
                and line.time_ns >= since_ns
                and (not until_ns or line.time_ns < until_ns)
            )

        found = self.engine.window(
            name, first, count, keep, is_filtered=bool(stream or text or since_ns or until_ns)
        )
        return self._around(found, context) if context and text else found

    def _around(self, found: LogWindow, context: int) -> LogWindow:
        end, lines = found.end, self.engine.lines.get(found.name)
        known = {one.number: one for one in lines} if lines is not None else None
        numbers = {
            number
            for one in found.lines
            for number in range(one.number - context, one.number + context + 1)
            if found.oldest <= number < end
        }
        around = [
            known[n] if known is not None else self.engine.line(found.name, n)
            for n in sorted(numbers)
        ]
        return msgspec.structs.replace(found, lines=around)

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
        self._check()
        import re

        found = re.compile(text if is_regex else re.escape(text))
        end = self.engine.end(name)
        numbers = range(min(first, end - 1), -1, -1) if is_backward else range(max(0, first), end)
        lines = self.engine.lines.get(name)
        known = {one.number: one for one in lines} if lines is not None else None
        hits = []
        for number in numbers:
            line = known.get(number) if known is not None else self.engine.line(name, number)
            if line is not None and found.search(line.text):
                hits.append(line)
                if len(hits) == limit:
                    break
        return LogMatches(name=name, lines=hits, next=-1)
