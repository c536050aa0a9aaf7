"""An engine in memory: deterministic instances, a virtual ring of any speed, acts that work."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.core.errors import EngineUnreachable, NotFound
from engine.core.wire import (
    ConfigView,
    ConsoleView,
    EngineView,
    Event,
    EventHappened,
    EventKind,
    HostSample,
    InstanceChanged,
    InstanceView,
    LogLine,
    LogWindow,
    Sample,
    ServiceView,
    Snapshot,
    State,
    Update,
    Why,
)
from engine.core.wire_rollout import RolloutChanged, RolloutView
from tests.tui.demo import ACCESS, CONFIG, QUIET, T0, demo_instances, sample_of
from tests.tui.fake_client import FakeClient
from tests.tui.fake_rollouts import canary


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
    rollouts: dict[str, RolloutView] = field(default_factory=dict)
    queues: list[list[Update]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    generation: int = 0

    def now(self) -> float:
        return T0 + (time.monotonic() - self.begun if self.is_ticking else 0.0)

    def connect(self) -> FakeClient:
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
            name: Sample(time=at) if one.state in QUIET else sample_of(name, at, self.busy)
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
            rollouts=tuple(self.rollouts.values()),
        )

    def roll(self, service: str, **fields: object) -> RolloutView:
        """Change a rollout, and tell."""
        view = msgspec.structs.replace(self.rollouts[service], **fields)
        self.rollouts[service] = view
        self.send(RolloutChanged(rollout=view))
        return view

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


def rolling_engine(**more: object) -> FakeEngine:
    """The small host, its api under rollout."""
    engine = demo_engine()
    engine.rollouts["api"] = canary(**more)
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
