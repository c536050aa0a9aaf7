"""The engine as its API sees it: `engine.daemon.control.Control`, kept by the parts behind it."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import __version__
from engine.core.errors import TenError
from engine.core.moments import whole_host
from engine.core.wire import API_VERSION, EngineView, HostSample, Sample, Snapshot
from engine.daemon.clock import wall
from engine.daemon.metric_moment import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from engine.core.doctor import Report
    from engine.core.inspection import Inspection
    from engine.core.latency import Traffic
    from engine.core.metrics import KeptMetric
    from engine.core.moments import Moment
    from engine.core.spec import Config
    from engine.core.wire import (
        ConfigView,
        ConsoleView,
        Event,
        InstanceView,
        LogMatches,
        LogWindow,
    )
    from engine.core.wire_limits import LimitsView
    from engine.daemon.acts import Acts
    from engine.daemon.control import RequestTotals
    from engine.daemon.doctor import Doctor
    from engine.daemon.figures import Figures
    from engine.daemon.front import Front, TlsView
    from engine.daemon.inspector import Inspector
    from engine.daemon.limit_acts import LimitActs
    from engine.daemon.logs_view import LogsView
    from engine.daemon.registry import Registry
    from engine.daemon.reloading import Reloader
    from engine.daemon.store import Store
    from engine.daemon.stream import Broadcaster, Subscriber

SNAPSHOT_EVENTS = 200
"""The newest events in a Snapshot."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What does not change while the engine lives."""

    data_dir: str
    domain: str
    port: int
    started_at: float


class EngineControl:
    """Gives each question to the part that knows."""

    def __init__(
        self,
        *,
        identity: Identity,
        registry: Registry,
        store: Store,
        broadcaster: Broadcaster,
        acts: Acts,
        limits: LimitActs,
        front: Front,
        figures: Figures,
        logs: LogsView,
        reloader: Reloader,
        inspector: Inspector,
        doctor: Doctor,
    ) -> None:
        """Take the parts."""
        self._identity = identity
        self._front = front
        self._registry = registry
        self._store = store
        self._broadcaster = broadcaster
        self._acts = acts
        self._limits = limits
        self._figures = figures
        self._logs = logs
        self._reloader = reloader
        self._inspector = inspector
        self._doctor = doctor

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._registry.config

    # --- what there is ---

    def engine_view(self) -> EngineView:
        """See `Control`."""
        identity, console = self._identity, self._registry.config.console
        return EngineView(
            version=__version__,
            api_version=API_VERSION,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            started_at=identity.started_at,
            data_dir=identity.data_dir,
            domain=identity.domain,
            url=f"http://{identity.domain}:{identity.port}",
            banner=console.banner,
            colour=console.colour,
            protect=console.protect,
        )

    def config_view(self) -> ConfigView:
        """See `Control`."""
        return self._reloader.view()

    def snapshot(self) -> Snapshot:
        """See `Control`."""
        views = self.instances()
        running = {view.name for view in views if view.pid}
        latest = {each.name: each.series.latest for each in self._registry if each.name in running}
        return Snapshot(
            engine=self.engine_view(),
            host=self._figures.host or HostSample(time=self._identity.started_at),
            services=self._reloader.services(),
            instances=views,
            samples={name: sample for name, sample in latest.items() if sample is not None},
            config=self._reloader.view(),
            events=self._store.events(limit=SNAPSHOT_EVENTS),
            consoles=self.consoles(),
            rollouts=tuple(self._acts.rollouts.views()),
        )

    def instances(self) -> list[InstanceView]:
        """See `Control`."""
        return [each.view() for each in self._registry.sorted()]

    def instance(self, name: str) -> InstanceView:
        """See `Control`."""
        return self._registry.get(name).view()

    def samples(self, name: str, seconds: int) -> list[Sample]:
        """See `Control`."""
        return self._registry.get(name).series.newest(seconds)

    def subscribe(self, console: ConsoleView) -> Subscriber:
        """See `Control`."""
        return self._broadcaster.subscribe(console)

    def consoles(self) -> tuple[ConsoleView, ...]:
        """See `Control`."""
        return self._broadcaster.consoles()

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """See `Control`."""
        return self._store.events(after, limit)

    def storage_used(self, name: str) -> int:
        """See `Control`."""
        return self._registry.get(name).storage_used_bytes

    def requests_total(self) -> dict[str, RequestTotals]:
        """See `Control`."""
        return {**self._store.requests()}

    def wakes(self, name: str) -> Mapping[str, Traffic]:
        """See `Control`."""
        known = self._registry.instances.get(name)
        return known.wakes if known is not None else {}

    async def kept(
        self, name: str, metric: str, *, since: float, until: float, step: int = 0
    ) -> KeptMetric:
        """See `Control`."""
        kept = self._figures.kept
        read = kept.read if ":" in name or name == HOST else kept.read_service
        try:
            return await asyncio.to_thread(
                read, name, metric, since=since, until=until, now=wall(), step=step
            )
        except OSError as error:
            message = f"The kept metrics cannot be read: {error.strerror}"
            raise TenError(message) from error

    async def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        """See `Control`."""
        known = [each.name for each in self._registry.sorted()]
        wanted = [name for name in known if not names or name in names]
        try:
            found = await asyncio.to_thread(self._figures.kept.moment, wanted, at, wall())
        except OSError as error:
            message = f"The kept metrics cannot be read: {error.strerror}"
            raise TenError(message) from error
        host = self._figures.host
        return found if host is None else whole_host(found, host)

    async def purge_kept(self, name: str, *, actor: str) -> None:
        """See `Control`."""
        try:
            await self._figures.purge(name, actor=actor)
        except OSError as error:
            message = f"The kept metrics cannot be removed: {error.strerror}"
            raise TenError(message) from error

    async def inspect(self, name: str) -> Inspection:
        """See `Control`."""
        return await self._inspector.inspect(name)

    def tls_view(self) -> TlsView:
        """See `Control`."""
        return self._front.view()

    def is_served(self, host: str) -> bool:
        """See `Control`."""
        return self._front.is_served(host)

    async def examine(self) -> Report:
        """See `Control`."""
        return await self._doctor.examine()

    # --- acts ---

    async def spawn(self, name: str, *, actor: str) -> InstanceView:
        """See `Control`."""
        return await self._acts.spawn(name, actor=actor)

    async def stop(self, name: str, *, actor: str, hold_seconds: float = 0.0) -> None:
        """See `Control`."""
        await self._acts.stop(name, actor=actor, hold_seconds=hold_seconds)

    async def restart(self, name: str, *, actor: str) -> InstanceView:
        """See `Control`."""
        return await self._acts.restart(name, actor=actor)

    async def undo(self, name: str, *, actor: str) -> str:
        """See `Control`."""
        return await self._acts.undo(name, actor=actor)

    def set_weight(self, name: str, weight: int, *, actor: str) -> InstanceView:
        """See `Control`."""
        return self._acts.set_weight(name, weight, actor=actor)

    def limits(self, name: str) -> LimitsView:
        """See `Control`."""
        return self._limits.view(name)

    async def set_limits(self, name: str, texts: Mapping[str, str], *, actor: str) -> LimitsView:
        """See `Control`."""
        return await self._limits.set(name, texts, actor=actor)

    async def reset_limits(self, name: str, *, actor: str) -> LimitsView:
        """See `Control`."""
        return await self._limits.reset(name, actor=actor)

    async def check_health(self, name: str) -> str:
        """See `Control`."""
        return await self._acts.check_health(name)

    async def reload(self, *, actor: str) -> ConfigView:
        """See `Control`."""
        return await self._reloader.reload(actor=actor)

    # --- logs ---

    async def log_window(
        self,
        name: str,
        *,
        first: int | None = None,
        count: int = 100,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> LogWindow:
        """See `Control`."""
        return await self._logs.window(
            name,
            first=first,
            count=count,
            stream=stream,
            text=text,
            since_ns=since_ns,
            until_ns=until_ns,
        )

    async def log_search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool = False,
        is_regex: bool = False,
        limit: int = 1,
    ) -> LogMatches:
        """See `Control`."""
        return await self._logs.search(
            name,
            text=text,
            first=first,
            is_backward=is_backward,
            is_regex=is_regex,
            limit=limit,
        )

    async def log_wait(self, name: str, end: int, timeout_seconds: float) -> None:
        """See `Control`."""
        await self._logs.wait(name, end, timeout_seconds)

    def log_raw(self, name: str) -> AsyncIterator[bytes]:
        """See `Control`."""
        return self._logs.raw(name)

    def log_names(self) -> list[str]:
        """See `Control`."""
        return self._logs.names()
