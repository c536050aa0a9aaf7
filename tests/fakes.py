"""An engine without processes: the seam `engine.daemon.control` kept in memory.

For tests of what stands on the seam; `tests.fake_server` serves it.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import NotFound, Refused
from engine.core.latency import Traffic
from engine.core.limits import KEYS, BadLimit, LimitsSpec, shown, with_texts
from engine.core.names import split_instance
from engine.core.spec import Config, Isolation, ServiceSpec, Settings
from engine.core.wire import (
    API_VERSION,
    ConfigChanged,
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
    Sample,
    Samples,
    ServiceView,
    Snapshot,
    State,
    Why,
)
from engine.core.wire_limits import LimitsView, LimitView
from engine.daemon.clock import wall
from engine.daemon.front import TlsView
from engine.daemon.metric_store import MetricStore
from engine.daemon.stream import Broadcaster, Subscriber
from tests.fake_logs import FakeLogs, FakeRing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.core.metrics import KeptMetric
    from engine.core.moments import Moment

CONFIG = """\
[service.api]
command = "python3 app.py"
health = "/health"

[service.worker]
command = "python3 worker.py"
isolation = "process"

[instances]
api = ["alice", "bob", "carol"]
worker = ["w1", "w2"]
"""


class FakeControl(FakeLogs):
    """Keeps `engine.daemon.control.Control` over dictionaries."""

    def __init__(self, data_dir: str = "/nonexistent/data", *, step: float = 0.05) -> None:
        super().__init__()
        self.step = step
        services = {
            "api": ServiceSpec(name="api", command="python3 app.py", health="/health"),
            "worker": ServiceSpec(
                name="worker", command="python3 worker.py", isolation=Isolation.PROCESS
            ),
        }
        self.config = Config(
            path="/nonexistent/tenement.toml",
            source=CONFIG,
            settings=Settings(data_dir=data_dir),
            services=services,
        )
        self.started_at = wall()
        self.views: dict[str, InstanceView] = {}
        self.figures: dict[str, deque[Sample]] = {}
        self.totals: dict[str, Traffic] = {}
        self.woken: dict[str, dict[str, Traffic]] = {}
        self.happened: list[Event] = []
        self.set_texts: dict[str, dict[str, str]] = {}
        self.undoable: dict[str, InstanceView] = {}
        self.calls: list[tuple[str, ...]] = []
        self.broadcaster = Broadcaster(self.snapshot)
        self.metrics = MetricStore(Path(data_dir), lambda *_: None, 2**32)
        self.host = HostSample(wall(), cores=os.cpu_count() or 1)
        self._config_view = ConfigView(
            path=self.config.path, text=CONFIG, loaded_at=self.started_at
        )
        self._port = 30_000
        self._works: set[asyncio.Task[None]] = set()

    # --- looking ---

    def engine_view(self) -> EngineView:
        return EngineView(
            version="0.1.0",
            api_version=API_VERSION,
            hostname="fake-host",
            pid=os.getpid(),
            started_at=self.started_at,
            data_dir=self.config.settings.data_dir,
            domain="localhost",
            url="http://localhost:8080",
            banner="staging",
            colour="yellow",
        )

    def config_view(self) -> ConfigView:
        return self._config_view

    def service_views(self) -> list[ServiceView]:
        return [
            ServiceView(
                name=spec.name,
                command=spec.command,
                isolation=spec.isolation,
                health=spec.health or "",
            )
            for spec in self.config.services.values()
        ]

    def tls_view(self) -> TlsView:
        return TlsView(
            enabled=False,
            domain=None,
            staging=False,
            https_port=0,
            http_port=0,
            recommendation="ten serve --tls serves HTTPS by Caddy",
        )

    def is_served(self, host: str) -> bool:
        return host == "localhost"

    def snapshot(self) -> Snapshot:
        return Snapshot(
            engine=self.engine_view(),
            host=self.host,
            services=self.service_views(),
            instances=self.instances(),
            samples={name: kept[-1] for name, kept in self.figures.items() if kept},
            config=self._config_view,
            events=self.happened[-200:],
            consoles=self.consoles(),
        )

    def instances(self) -> list[InstanceView]:
        return sorted(self.views.values(), key=lambda view: (view.service, view.id))

    def instance(self, name: str) -> InstanceView:
        if name not in self.views:
            raise NotFound(f"Instance not found: {name}")
        return self.views[name]

    def samples(self, name: str, seconds: int) -> list[Sample]:
        return list(self.figures.get(name, ()))[-seconds:]

    async def kept(
        self, name: str, metric: str, *, since: float, until: float, step: int = 0
    ) -> KeptMetric:
        return self.metrics.read(name, metric, since=since, until=until, now=wall(), step=step)

    async def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        return self.metrics.moment(names or sorted(self.views), at, wall())

    async def purge_kept(self, name: str, *, actor: str) -> None:
        self.metrics.purge(name)
        self.calls.append(("purge_kept", name, actor))

    def subscribe(self, console: ConsoleView) -> Subscriber:
        return self.broadcaster.subscribe(console)

    def consoles(self) -> tuple[ConsoleView, ...]:
        return self.broadcaster.consoles()

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        newer = [event for event in self.happened if event.id > after]
        return newer[:limit] if after else newer[-limit:]

    def storage_used(self, name: str) -> int:
        return self.instance(name).storage_used_bytes

    def requests_total(self) -> dict[str, Traffic]:
        return self.totals

    def wakes(self, name: str) -> dict[str, Traffic]:
        return self.woken.get(name, {})

    # --- acting ---

    async def spawn(self, name: str, *, actor: str) -> InstanceView:
        service, ident = split_instance(name)
        spec = self.config.services.get(service)
        if spec is None:
            raise NotFound(f"Unknown process: {service}")
        old = self.views.get(name)
        if old is not None and old.state not in {State.STOPPED, State.ASLEEP, State.FAILED}:
            return old
        self._port += 1
        self.rings.setdefault(name, FakeRing()).append(f"listening on {self._port}")
        self._show(
            InstanceView(
                name=name,
                service=service,
                id=ident,
                state=State.STARTING,
                desired=Desired.RUNNING,
                isolation=spec.isolation,
                version=ident,
                weight=old.weight if old else 100,
                port=self._port,
                pid=random.randrange(1000, 30_000),
                started_at=wall(),
                state_since=wall(),
                restarts=old.restarts if old else 0,
            )
        )
        self.happens("spawned", instance=name, actor=actor, command=f"ten spawn {name}")
        self._later(self._become(name, State.HEALTHY))
        return self.views[name]

    async def stop(self, name: str, *, actor: str, hold_seconds: float = 0.0) -> None:
        view = self.instance(name)
        self.calls.append(("stop", name, str(hold_seconds)))
        until = wall() + hold_seconds if hold_seconds else 0.0
        if hold_seconds:
            self.undoable[name] = view
        self._show(
            msgspec.structs.replace(
                view,
                state=State.DRAINING,
                desired=Desired.STOPPED,
                state_since=wall(),
                until=until,
                undo="stop" if hold_seconds else "",
            )
        )
        self.happens("stopped", instance=name, actor=actor, command=f"ten stop {name}")
        if hold_seconds:
            self._later(self._become(name, State.STOPPED, hold_seconds))
        else:
            await asyncio.sleep(self.step)
            self._set_state(name, State.STOPPED)

    async def restart(self, name: str, *, actor: str) -> InstanceView:
        view = self.instance(name)
        self._show(msgspec.structs.replace(view, state=State.STOPPED, port=0, pid=0))
        return await self.spawn(name, actor=actor)

    async def undo(self, name: str, *, actor: str) -> str:
        self.instance(name)
        if name not in self.undoable:
            raise Refused(f"Nothing to undo for {name}")
        old = self.undoable.pop(name)
        what = "stop" if self.views[name].desired is Desired.STOPPED else f"weight {old.weight}"
        self._show(old)
        self.happens(f"undone: {what}", instance=name, actor=actor, command=f"ten undo {name}")
        return what

    def set_weight(self, name: str, weight: int, *, actor: str) -> InstanceView:
        view = self.instance(name)
        self.undoable[name] = view
        self._show(
            msgspec.structs.replace(view, weight=min(weight, 100), undo=f"weight {view.weight}")
        )
        self.happens(f"weight {weight}", instance=name, actor=actor)
        return self.views[name]

    def limits(self, name: str) -> LimitsView:
        self.instance(name)
        texts = self.set_texts.get(name, {})
        limits = with_texts(LimitsSpec(), texts)
        return LimitsView(
            name=name,
            limits=tuple(
                LimitView(
                    key=key,
                    value=shown(key, getattr(limits, key)),
                    origin="set" if key in texts else "default",
                )
                for key in KEYS
            ),
        )

    async def set_limits(self, name: str, texts: Mapping[str, str], *, actor: str) -> LimitsView:
        self.instance(name)
        kept = {**self.set_texts.get(name, {}), **texts}
        try:
            with_texts(LimitsSpec(), {key: text for key, text in kept.items() if text})
        except BadLimit as error:
            raise Refused(str(error)) from error
        self.set_texts[name] = {key: text for key, text in kept.items() if text}
        self.happens("limited", instance=name, actor=actor)
        return self.limits(name)

    async def reset_limits(self, name: str, *, actor: str) -> LimitsView:
        self.set_texts.pop(name, None)
        self.happens("limits reset", instance=name, actor=actor)
        return self.limits(name)

    async def check_health(self, name: str) -> str:
        view = self.views.get(name)
        return "unknown" if view is None else str(view.state)

    async def reload(self, *, actor: str) -> ConfigView:
        self._config_view = msgspec.structs.replace(self._config_view, loaded_at=wall())
        self.broadcaster.publish(
            ConfigChanged(config=self._config_view, services=self.service_views())
        )
        self.happens("config read", kind=EventKind.CONFIG, actor=actor)
        return self._config_view

    # --- what happens by itself ---

    def happens(
        self,
        text: str,
        *,
        kind: EventKind = EventKind.ACTION,
        instance: str = "",
        actor: str = "engine",
        level: str = "info",
        command: str = "",
    ) -> None:
        event = Event(
            id=len(self.happened) + 1,
            time=wall(),
            kind=kind,
            text=text,
            level=level,
            instance=instance,
            actor=actor,
            command=command,
        )
        self.happened.append(event)
        self.broadcaster.publish(EventHappened(event=event))

    def _show(self, view: InstanceView) -> None:
        self.views[view.name] = view
        self.broadcaster.publish(InstanceChanged(instance=view))

    def _set_state(self, name: str, state: State) -> None:
        view = self.views[name]
        gone = state is State.STOPPED
        self._show(
            msgspec.structs.replace(
                view,
                state=state,
                state_since=wall(),
                until=0.0,
                undo="",
                port=0 if gone else view.port,
                pid=0 if gone else view.pid,
            )
        )

    async def _become(self, name: str, state: State, after: float | None = None) -> None:
        before = self.views[name].state
        await asyncio.sleep(self.step if after is None else after)
        if self.views[name].state is before:
            self.undoable.pop(name, None)
            self._set_state(name, state)

    def _later(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def close(self) -> None:
        self.broadcaster.close()
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def run(self, *, lines_per_second: float = 5.0, interval: float = 1.0) -> None:
        """Let figures move, lines come, and now and then something go wrong; until cancelled."""
        beat = 0
        while True:
            beat += 1
            self._sample(beat, lines_per_second)
            if beat % 20 == 0 and "worker:w2" in self.views:
                self._fail("worker:w2")
            await asyncio.sleep(interval)

    def _fail(self, name: str) -> None:
        view = self.views[name]
        if view.state not in {State.HEALTHY, State.BACKOFF}:
            return
        why = Why(
            summary="exited with 3",
            exit_code=3,
            stderr_tail=("Traceback (most recent call last):", "ValueError: no job"),
            since=wall(),
        )
        self._show(
            msgspec.structs.replace(
                view, state=State.BACKOFF, why=why, restarts=view.restarts + 1, until=wall() + 5
            )
        )
        self.happens("exited with 3", kind=EventKind.STATE, instance=name, level="error")
        self._later(self._become(name, State.HEALTHY, 5.0))

    def _sample(self, beat: int, lines_per_second: float) -> None:
        now, fresh = wall(), {}
        for place, view in enumerate(self.instances()):
            if view.state in {State.STOPPED, State.ASLEEP, State.FAILED}:
                continue
            wave = 0.5 + 0.5 * math.sin(beat / 7 + place)
            errors = 2.0 if random.random() < 0.1 else 0.0
            fresh[view.name] = one = Sample(
                now,
                cpu_cores=0.02 + wave * 0.6,
                cpu_quota_cores=1.0,
                memory_bytes=int((30 + 40 * wave + beat % 60) * 1024 * 1024),
                memory_limit_bytes=256 * 1024 * 1024,
                requests=round(120 * wave, 1),
                errors=errors,
                p95_ms=2 + 10 * wave,
                inflight=int(4 * wave),
                log_lines=lines_per_second,
                log_errors=errors,
                pids=3,
            )
            self.figures.setdefault(view.name, deque(maxlen=900)).append(one)
            traffic = self.totals.setdefault(view.name, Traffic())
            traffic.add(
                int(one.requests), int(errors), one.requests * 3, [int(one.requests), *[0] * 10]
            )
            for _ in range(int(lines_per_second)):
                number = self.rings[view.name].end
                level, stream = ("ERROR", "stderr") if errors else ("INFO", "stdout")
                self.rings[view.name].append(
                    f"{level} request {number} GET /things/{number % 97} 200 {wave * 9:.1f} ms",
                    stream,
                )
        self.host = HostSample(
            now,
            cpu_cores=sum(one.cpu_cores for one in fresh.values()) + 0.1,
            cores=os.cpu_count() or 1,
            memory_bytes=3 << 30,
            memory_total_bytes=24 << 30,
            load1=0.7,
            psi_cpu=1.2,
            psi_memory=0.0,
            psi_io=0.3,
            requests=sum(one.requests for one in fresh.values()),
            errors=sum(one.errors for one in fresh.values()),
            p95_ms=max((one.p95_ms for one in fresh.values()), default=0.0),
            disk_free_bytes=40 << 30,
            disk_total_bytes=100 << 30,
            engine_cpu_cores=0.01,
        )
        self.broadcaster.publish(Samples(host=self.host, instances=fresh))

    async def populate(self) -> FakeControl:
        """Start what the configuration declares, with a past of figures."""
        for name in ("api:alice", "api:bob", "api:carol", "worker:w1", "worker:w2"):
            await self.spawn(name, actor="config")
        return self
