"""An engine in memory: deterministic instances, a virtual ring of any speed, acts that work."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.core.errors import EngineUnreachable, NotFound, Refused
from engine.core.metrics import INSTANCE_METRICS, KeptMetric, Point, plan_range
from engine.core.moments import Moment
from engine.core.wire import (
    ConfigView,
    ConsoleView,
    Desired,
    EngineView,
    Event,
    EventHappened,
    EventKind,
    HostSample,
    InstanceChanged,
    InstanceView,
    LogLine,
    LogMatches,
    LogWindow,
    Sample,
    Samples,
    ServiceView,
    Snapshot,
    State,
    Update,
    Why,
)
from tests.tui.looks import demo_inspection, demo_report

T0 = 1_750_000_000.0
"""The frozen clock: what snapshots are drawn at."""

CONFIG = """\
# One busy host.
[settings]
data_dir = "./data"

[service.api]
command = "./api --port {port}"
isolation = "namespace"
health = "/health"
memory_limit_mb = 512

[service.worker]
command = "./worker"
isolation = "process"

[service.flaky]
command = "./flaky"
restart = "on-failure"

[service.report]
command = "./report"
idle_timeout = 300

[instances]
api = ["alice", "bob", "carol"]
worker = ["import", "mail"]
"""

ACCESS = (
    "INFO  GET /api/orders?page={n} 200 12ms id=7f{n:06x}",
    "INFO  POST /api/orders 201 31ms id=7f{n:06x} items=3",
    "DEBUG cache hit key=session:{n} age=14s",
    "INFO  GET /health 200 0ms",
    "WARN  slow query 412ms: select * from orders where customer = {n}",
    "INFO  GET /api/customers/{n} 200 8ms",
    "ERROR upstream payment refused: connection reset by peer (attempt 1 of 3)",
    "INFO  GET /static/app.css 304 1ms",
)


def _instance(name: str, state: State, **more: object) -> InstanceView:
    service, _, ident = name.partition(":")
    base: dict[str, object] = {
        "name": name,
        "service": service,
        "id": ident,
        "state": state,
        "desired": Desired.RUNNING,
        "isolation": "namespace",
        "port": 30000,
        "pid": 4242,
        "started_at": T0 - 8040,
        "state_since": T0 - 8000,
        "memory_limit_bytes": 512 << 20,
    }
    return InstanceView(**{**base, **more})  # type: ignore[arg-type]


def demo_instances() -> list[InstanceView]:
    """A small host with something of everything."""
    return [
        _instance("api:alice", State.HEALTHY, port=30001, pid=4201, version="v42"),
        _instance("api:bob", State.HEALTHY, port=30002, pid=4230, version="v42", weight=50),
        _instance(
            "api:carol",
            State.DEGRADED,
            port=30003,
            pid=4260,
            version="v43",
            started_at=T0 - 95,
            state_since=T0 - 12,
            why=Why(summary="health check: 503 from /health", since=T0 - 12),
        ),
        _instance("worker:import", State.HEALTHY, isolation="process", port=0, pid=4300),
        _instance(
            "worker:mail",
            State.STARTING,
            isolation="process",
            port=0,
            pid=4310,
            started_at=T0 - 2,
            state_since=T0 - 2,
        ),
        _instance(
            "flaky:default",
            State.FAILED,
            pid=0,
            restarts=3,
            state_since=T0 - 74,
            why=Why(
                summary="killed by SIGSEGV",
                signal="SIGSEGV",
                since=T0 - 74,
                stderr_tail=(
                    "panic: runtime error: invalid memory address",
                    "goroutine 1 [running]:",
                    "main.handle(0x0, 0x1c)",
                    "    /src/main.go:88 +0x1d4",
                ),
            ),
        ),
        _instance(
            "flaky:second",
            State.BACKOFF,
            pid=0,
            restarts=2,
            until=T0 + 8,
            state_since=T0 - 3,
            why=Why(summary="exited with 2", exit_code=2, since=T0 - 3),
        ),
        _instance("report:monthly", State.ASLEEP, pid=0, state_since=T0 - 3600),
        _instance(
            "report:weekly", State.STOPPED, pid=0, desired=Desired.STOPPED, state_since=T0 - 86400
        ),
    ]


def many_instances(number: int) -> list[InstanceView]:
    """Any number of instances, most of them well."""
    found = []
    for place in range(number):
        service = ("api", "web", "worker", "mail", "search")[place % 5]
        state = State.FAILED if place % 97 == 50 else State.HEALTHY
        found.append(_instance(f"{service}:t{place:04d}", state, pid=5000 + place))
    return found


def sample_of(name: str, at: float, busy: float = 1.0) -> Sample:
    """Figures that depend on name and second only."""
    seed = sum(map(ord, name)) * 7919
    noise = ((int(at) * 2654435761 + seed) >> 7) % 1000 / 1000
    wave = ((int(at) + seed) % 90) / 90
    load = busy * (0.15 + 0.5 * wave + 0.25 * noise)
    return Sample(
        time=at,
        cpu_cores=round(load, 3),
        cpu_quota_cores=2.0 if seed % 3 == 0 else 0.0,
        throttled=0.0,
        memory_bytes=int((90 + seed % 200 + 120 * wave) * (1 << 20)),
        memory_limit_bytes=512 << 20,
        requests=round(busy * (20 + 90 * wave + 10 * noise), 1),
        errors=round(1.2 * noise, 1) if "carol" in name else 0.0,
        p95_ms=round(9 + 12 * noise, 1),
        inflight=int(3 * noise),
        log_lines=round(busy * (4 + 60 * wave * noise), 1),
        log_errors=round(2 * noise, 1) if "carol" in name else 0.0,
        pids=4,
    )


_QUIET = {State.FAILED, State.BACKOFF, State.ASLEEP, State.STOPPED}


@dataclass
class FakeEngine:
    """The state behind the clients.

    Attributes:
        lines_per_second: Speed of every ring.
        is_ticking: Sends samples once a second; else only what a test sends.
        asked: What was asked of the past.
        lines: Lines of a ring by name, instead of the virtual ones.
    """

    instances: dict[str, InstanceView] = field(default_factory=dict)
    lines_per_second: float = 0.0
    first_lines: int = 400
    oldest: int = 0
    is_ticking: bool = False
    is_down: bool = False
    is_read_only: bool = False
    consoles: tuple[ConsoleView, ...] = ()
    config: ConfigView = field(
        default_factory=lambda: ConfigView(path="tenement.toml", text=CONFIG, loaded_at=T0 - 600)
    )
    events: list[Event] = field(default_factory=list)
    lines: dict[str, list[LogLine]] = field(default_factory=dict)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    busy: float = 1.0
    changed: threading.Condition = field(default_factory=threading.Condition)
    queues: list[list[Update]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    generation: int = 0

    def now(self) -> float:
        return T0 + (time.monotonic() - self.begun if self.is_ticking else 0.0)

    def connect(self) -> "FakeClient":
        if self.is_down:
            raise EngineUnreachable("no engine answers")
        return FakeClient(self)

    def send(self, update: Update) -> None:
        with self.changed:
            for queue in self.queues:
                queue.append(update)
            self.changed.notify_all()

    def die(self) -> None:
        """Break every stream, as a killed engine does."""
        with self.changed:
            self.is_down = True
            self.generation += 1
            self.changed.notify_all()

    def revive(self) -> None:
        self.is_down = False

    def host(self) -> HostSample:
        return HostSample(
            time=self.now(),
            cpu_cores=1.34,
            cores=8,
            memory_bytes=int(3.1 * (1 << 30)),
            memory_total_bytes=16 << 30,
            load1=1.2,
            psi_cpu=0.9,
            psi_memory=0.0,
            psi_io=2.4,
            requests=312.0,
            errors=0.8,
            p95_ms=14.0,
            disk_free_bytes=80 << 30,
            disk_total_bytes=200 << 30,
            engine_cpu_cores=0.03,
        )

    def samples(self, at: float | None = None) -> dict[str, Sample]:
        at = self.now() if at is None else at
        return {
            name: Sample(time=at) if one.state in _QUIET else sample_of(name, at, self.busy)
            for name, one in self.instances.items()
        }

    def snapshot(self) -> Snapshot:
        services = sorted({one.service for one in self.instances.values()})
        return Snapshot(
            engine=EngineView(
                version="0.1.0",
                api_version=1,
                hostname="build-7",
                pid=4100,
                started_at=T0 - 9000,
                data_dir="/srv/ten/data",
                domain="localhost",
                url="http://localhost:8080",
                banner="production",
                colour="red",
                read_only=self.is_read_only,
            ),
            host=self.host(),
            services=[
                ServiceView(name=n, command=f"./{n}", isolation="namespace") for n in services
            ],
            instances=list(self.instances.values()),
            samples=self.samples(),
            config=self.config,
            events=list(self.events),
            consoles=self.consoles,
        )

    def change(self, name: str, **fields: object) -> None:
        self.instances[name] = msgspec.structs.replace(self.instances[name], **fields)
        self.send(InstanceChanged(instance=self.instances[name]))

    def happen(self, text: str, **more: object) -> None:
        event = Event(
            id=len(self.events) + 1,
            time=self.now(),
            text=text,
            **{"kind": EventKind.ACTION, **more},
        )  # type: ignore[arg-type]
        self.events.append(event)
        self.send(EventHappened(event=event))

    def end(self, name: str) -> int:
        if name in self.lines:
            return self.lines[name][-1].number + 1 if self.lines[name] else 0
        one = self.instances.get(name)
        if one is None:
            raise NotFound(f"no ring of {name}")
        if one.state in {State.ASLEEP, State.STOPPED}:
            return 0
        spent = time.monotonic() - self.begun if self.is_ticking else 0.0
        return int(self.first_lines + self.lines_per_second * spent)

    def line(self, name: str, number: int) -> LogLine:
        text = ACCESS[number * 5 % len(ACCESS)].format(n=number)
        at = int((T0 - 30 + number / max(1.0, self.lines_per_second or 20.0)) * 1e9)
        return LogLine(number, at, "stderr" if "ERROR" in text else "stdout", text)

    def window(
        self,
        name: str,
        first: int | None,
        count: int,
        keep: Callable[[LogLine], bool],
        *,
        is_filtered: bool,
    ) -> LogWindow:
        end = self.end(name)
        oldest = self.oldest
        if name in self.lines:
            every = self.lines[name]
            oldest = every[0].number if every else 0
            kept = [one for one in every if keep(one)]
            kept = (
                kept[-count:] if first is None else [o for o in kept if o.number >= first][:count]
            )
        elif is_filtered:
            kept = [
                o
                for o in (self.line(name, n) for n in range(max(oldest, end - 5000), end))
                if keep(o)
            ]
            kept = (
                kept[-count:] if first is None else [o for o in kept if o.number >= first][:count]
            )
        else:
            start = max(oldest, end - count if first is None else first)
            kept = [self.line(name, n) for n in range(start, min(end, start + count))]
        return LogWindow(name=name, oldest=oldest, end=end, lines=kept, size_bytes=end * 70)


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
        if one.state in _QUIET:
            return [
                sample_of(name, now - 90 - back, self.engine.busy) for back in span if back < 220
            ]
        return [sample_of(name, now - back, self.engine.busy) for back in span]

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        self._check()
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
        up = [n for n, one in self.engine.instances.items() if one.state not in _QUIET]
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


def demo_engine(**more: object) -> FakeEngine:
    """A fake with the small host and a few events."""
    engine = FakeEngine({one.name: one for one in demo_instances()}, **more)  # type: ignore[arg-type]
    for age, text, level, instance, actor, command in (
        (600, "config loaded: 4 services", "info", "", "config", ""),
        (540, "api:alice is healthy", "info", "api:alice", "engine", ""),
        (300, "weight of api:bob set to 50", "info", "api:bob", "root", "ten weight api:bob 50"),
        (95, "api:carol deployed v43", "info", "api:carol", "root", "ten restart api:carol"),
        (
            78,
            "flaky:default killed by SIGSEGV, restart 3 of 3",
            "warning",
            "flaky:default",
            "engine",
            "",
        ),
        (
            74,
            "flaky:default failed: its restarts are spent",
            "error",
            "flaky:default",
            "engine",
            "",
        ),
        (12, "api:carol is degraded: 503 from /health", "warning", "api:carol", "engine", ""),
    ):
        engine.events.append(
            Event(
                id=len(engine.events) + 1,
                time=T0 - age,
                kind=EventKind.STATE,
                text=text,
                level=level,
                instance=instance,
                actor=actor,
                command=command,
            )
        )
    return engine


HOSTILE = (
    "plain \x1b[31mred\x1b[0m \x1b[2J\x1b[H cleared",
    "title \x1b]0;owned\x07 and \x1b]52;c;b3duZWQ=\x07 clipboard \x1b]8;;http://x\x1b\\link",
    "c1 \x9b31m \x9d0;owned\x9c \x90q\x9c \x85 next",
    "bidi \u202eabc\u202c \u2066x\u2069 \u200f mark",
    "nul \x00 bell \x07 back \x08\x08 tab\tstop cr\rover vt\x0b ff\x0c del\x7f",
    "wide 日本語テキスト 한국어 emoji 👩‍👩‍👧‍👦 🏳️‍🌈 flags 🇩🇪",
    "zalgo e" + "\u0301" * 200 + " end",
    "dcs \x1bP$q q\x1b\\ apc \x1b_x\x1b\\ pm \x1b^x\x1b\\ decset \x1b[?1049l \x1bc reset",
    "private \ue000 surrogate \ufffd noncharacter \uffff \U0010ffff",
    "sep \u2028 par \u2029 bom \ufeff zwj \u200d soft\u00adhyphen nbsp\u00a0",
    "x" * 4096,
    "HOSTILE-END",
)


def make_hostile(engine: FakeEngine) -> None:
    """Put attacks on the terminal wherever text comes from outside."""
    for name in engine.instances:
        engine.lines[name] = [
            LogLine(
                number,
                int(T0 * 1e9),
                "stderr" if number % 2 else "stdout",
                text,
                10_000_000 if text.startswith("xxx") else 0,
            )
            for number, text in enumerate(HOSTILE)
        ]
    bad = "\x1b]0;owned\x07\x9b2J\u202e\r\n"
    one = engine.instances["api:carol"]
    engine.instances["api:carol"] = msgspec.structs.replace(
        one,
        version=bad,
        isolation=bad,
        why=Why(
            summary=bad + "why",
            path=bad,
            step=bad,
            errno=bad,
            signal=bad,
            stderr_tail=HOSTILE,
            since=T0,
        ),
    )
    engine.happen(bad + "event", instance="api:carol", actor=bad, command=bad)
    engine.config = msgspec.structs.replace(
        engine.config, path=bad, text=bad + "\n" + "\n".join(HOSTILE), warnings=(bad,)
    )
