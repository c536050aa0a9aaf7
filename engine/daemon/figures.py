"""Figures of the host and of every instance, once a second; who is idle is looked at then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from engine.core.doorwire import WAKES
from engine.core.latency import BUCKETS, Traffic
from engine.core.storage import MAX_SECONDS
from engine.core.wire import EventKind, HostSample, Samples
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.daemon.idleness import Idleness
from engine.daemon.metric_moment import HOST
from engine.daemon.metric_store import MetricStore
from engine.daemon.sampler import HostSampler
from engine.daemon.storage import StorageMeter
from engine.daemon.storage_guard import StorageGuard
from engine.daemon.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from engine.core.doorwire import InstanceStats
    from engine.core.wire import Sample
    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
CHECKPOINT_SECONDS = 60.0


class Figures:
    """Adds up what doors, cgroups and rings tell.

    Attributes:
        host: The newest sample of the host, None before the first.
        kept: The past of the figures, on the disk.
        keeper_pid: Counted among our own processes once it is known.
        on_samples: Told of each second's.
    """

    def __init__(self, supervisor: Supervisor, data_dir: Path) -> None:
        """Measure the instances of a supervisor, whose data lie in a folder."""
        self.host: HostSample | None = None
        self.keeper_pid = 0
        self.on_samples: Callable[[Mapping[str, Sample]], None] = lambda _: None
        self._supervisor = supervisor
        self._tools = supervisor.tools
        self._registry = supervisor.registry
        self._data_dir = data_dir
        self.kept = MetricStore(data_dir, self._on_trouble, self._most_bytes)
        self._keeping: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._traffic: dict[str, Traffic] = {}
        self._host_sampler = HostSampler(data_dir, self._own_pids)
        self._idleness = Idleness(supervisor)
        self._guard = StorageGuard(supervisor, data_dir)
        self._storage = StorageMeter(self._on_measured, self._storage_rest)
        self._running: set[str] = set()
        self._measured: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._loop = asyncio.get_running_loop()
        self._storage.start()
        self._task = tasks.spawn(self._run(), name="figures")

    async def stop(self) -> None:
        """Measure no more."""
        await self._storage.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._keeping is not None:
            await asyncio.gather(self._keeping, return_exceptions=True)
        with contextlib.suppress(StoreError):
            self._take_counted()
        await asyncio.to_thread(self.kept.close)

    def on_stats(self, stats: dict[str, InstanceStats]) -> None:
        """Take what a door has seen since its last word."""
        for name, each in stats.items():
            instance = self._registry.instances.get(name)
            if instance is None:
                continue
            self._note_activity(instance, each.last)
            if each.inflight:
                self._idleness.on_request(instance)
            if each.requests and len(each.buckets) == BUCKETS:
                self._count(name, each)
            for kind, wakes in each.wakes.items():
                self._count_wakes(instance, kind, wakes)

    def _note_activity(self, instance: Instance, last: float) -> None:
        now, clock = time.monotonic(), wall()
        # A door has our clock: a word about the future is none that is believed.
        instance.activity_at = max(instance.activity_at, min(last, clock))
        idle_seconds = max(0.0, clock - instance.activity_at)
        instance.active_since = max(instance.active_since, now - idle_seconds)

    def _count(self, name: str, stats: InstanceStats) -> None:
        counts = (stats.requests, stats.errors, stats.ms_sum, stats.buckets)
        self._traffic.setdefault(name, Traffic()).add(*counts)
        try:
            self._tools.store.add_requests(name, *counts)
        except StoreError as error:
            log.error("requests are counted but not kept: %s", error)

    def _count_wakes(self, instance: Instance, kind: str, new: Traffic) -> None:
        if kind not in WAKES or len(new.buckets) != BUCKETS or new.requests <= 0:
            return  # a door is not trusted
        known = instance.wakes.setdefault(kind, Traffic())
        known.add(new.requests, 0, new.duration_ms_sum, new.buckets)
        instance.wake_ms = new.duration_ms_sum / new.requests
        self._supervisor.tell(instance)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due, checkpoint_at = loop.time(), loop.time() + CHECKPOINT_SECONDS
        while True:
            # After a stall the missed seconds are left out, not made up for.
            due = max(due + INTERVAL_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                await self._tick()
                if loop.time() >= checkpoint_at:
                    checkpoint_at = loop.time() + CHECKPOINT_SECONDS
                    await asyncio.to_thread(self._tools.store.checkpoint)
            except (StoreError, OSError) as error:
                log.error("figures of this second are lost: %s", error)

    def _take_counted(self) -> None:
        """Take what the doors counted, and have them know once it is written.

        In one go, and noted last: killed in between, the engine has its successor count again
        what was just written, but never leave anything out.
        """
        self._tools.doors.read()
        self._tools.store.flush()
        self._tools.doors.acknowledge()

    async def _tick(self) -> None:
        self._take_counted()
        traffic, self._traffic = self._traffic, {}
        samples = await self._tools.sampler.sample(traffic)
        self.host = self._host_sampler.sample(traffic.values())
        for name, sample in samples.items():
            known = self._registry.instances.get(name)
            if known is not None:
                known.series.append(sample)
                if self._tools.oom.look(known) is not None:
                    self._supervisor.tell(known)
        broadcaster = self._tools.broadcaster
        consoles = broadcaster.consoles()
        broadcaster.publish(Samples(host=self.host, instances=samples, consoles=consoles))
        self._keep(self.host, samples)
        self._watch_storage()
        self._idleness.look(samples)
        self.on_samples(samples)

    def _keep(self, host: HostSample, samples: Mapping[str, Sample]) -> None:
        """Have the second written on a thread; while a disk stands still seconds are left out."""
        if self._keeping is None or self._keeping.done():
            self.kept.most_bytes = self._most_bytes
            work = asyncio.to_thread(self.kept.take, host, samples)
            self._keeping = tasks.spawn(work, name="keep figures")

    async def purge(self, name: str, *, actor: str) -> None:
        """Remove the kept past of an instance, or of "host".

        Raises:
            NotFound: Nothing was kept of it.
            OSError: The disk does not let go of it.
        """
        await asyncio.to_thread(self.kept.purge, name)
        self._tools.journal.add(
            EventKind.ACTION,
            f"the kept metrics of {name} are removed",
            actor=actor,
            instance="" if name == HOST else name,
            command=f"ten metrics {name} --purge",
        )

    @property
    def _most_bytes(self) -> int:
        return self._registry.config.settings.metrics_max_bytes

    def _on_trouble(self, text: str, level: str) -> None:
        """Tell of it on the loop; this is called on the thread that writes."""
        if self._loop is not None:
            note = partial(self._tools.journal.add, EventKind.ENGINE, text, level=level)
            self._loop.call_soon_threadsafe(note)

    def _watch_storage(self) -> None:
        known = set(self._registry.instances)
        for name in known - self._measured:
            instance = self._registry.instances[name]
            self._storage.watch(name, self._data_dir / instance.service / instance.id)
        for name in self._measured - known:
            self._storage.unwatch(name)
        self._measured = known
        running = {each.name for each in self._registry if each.is_running}
        for name in running - self._running:
            self._storage.hurry(name)
        self._running = running

    def _storage_rest(self, name: str, walk_seconds: float) -> float:
        instance = self._registry.instances.get(name)
        return MAX_SECONDS if instance is None else self._guard.rest_seconds(instance, walk_seconds)

    def _on_measured(self, name: str, size_bytes: int) -> None:
        instance = self._registry.instances.get(name)
        if instance is None:
            return
        if instance.storage_used_bytes != size_bytes:
            instance.storage_used_bytes = size_bytes
            self._supervisor.tell(instance)
        self._guard.judge(instance, size_bytes)

    def _own_pids(self) -> list[int]:
        own = [os.getpid(), *self._tools.doors.pids()]
        return [*own, self.keeper_pid] if self.keeper_pid else own
