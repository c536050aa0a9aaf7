"""One instance: its life, its process and what is known about it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from engine.core.life import Life, Process, Timer
from engine.core.limits import BadLimit, LimitsSpec, with_texts
from engine.core.names import split_instance
from engine.core.network import Network
from engine.core.reload import spec_digest
from engine.core.series import Series
from engine.core.storage import StorageLevel
from engine.core.wire import Desired, InstanceView
from engine.daemon.clock import wall
from engine.daemon.store import StoredInstance

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.latency import Traffic
    from engine.core.spec import ServiceSpec
    from engine.daemon.process import LiveProcess

UNDO_SECONDS = 10.0
"""How long a stop or a change of weight can be taken back."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the next engine needs to go on exactly; stored as JSON beside the columns.

    Attributes:
        generation: Of the last launch that was ordered.
        state_since, activity_at: Seconds since the epoch.
        set_limits: Limits set for this instance over the configured ones.
        oom_kills, storage_level, readonly_run: See `Instance`.
    """

    life: Life
    generation: int = 0
    state_since: float = 0.0
    activity_at: float = 0.0
    set_limits: dict[str, str] = {}
    oom_kills: int = 0
    storage_level: StorageLevel = StorageLevel.FREE
    readonly_run: int = 0


class Enforced(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel holds an instance to.

    Attributes:
        limits: As they were written; None before that.
        memory_bytes, cpu_cores: Of those that hold, for the graphs; 0: no limit.
    """

    limits: LimitsSpec | None = None
    memory_bytes: int = 0
    cpu_cores: float = 0.0


class Instance:
    """What the supervisor knows of one instance.

    Attributes:
        spec: Of its service, as configured now (or last, where the service is gone).
        wanted_digest: Of `spec`; `digest` is that of the running process.
        life: Changed by the supervisor alone.
        process: None while there is none.
        generation: Counts launches.
        state_since: Wall clock; `life.state_since` is monotonic.
        activity_at: Wall clock of the last request, 0 without one.
        active_since: Monotonic; from when idleness counts.
        weight_before: What undo would give back, and until when (monotonic).
        set_limits: Limits as set for it alone, by key, over those of `spec`.
        oom_kills: Processes of it that the kernel killed for lack of memory, ever.
        storage_level: How full its quota was when it was last measured.
        readonly_run: The generation whose folder was made read-only, 0 if none.
        enforced: What holds of its limits while it runs.
        limiting: Held while its limits are written.
        wakes: How long requests that woke it waited, by what it was, since this engine began.
        wake_ms: The mean of those last told.
        stop_undo_until: Until when (monotonic) a stop that was not held can be taken back.
    """

    def __init__(self, name: str, spec: ServiceSpec, life: Life | None = None) -> None:
        """Know an instance that has never run."""
        self.name = name
        self.service, self.id = split_instance(name)
        self.spec = spec
        self.wanted_digest = spec_digest(spec)
        self.life = life or Life(name=name)
        self.process: LiveProcess | None = None
        self.generation = 0
        self.weight = 100
        self.version = ""
        self.state_since = wall()
        self.activity_at = 0.0
        self.active_since = time.monotonic()
        self.storage_used_bytes = 0
        self.series = Series()
        self.timers: dict[Timer, asyncio.TimerHandle] = {}
        self.weight_before: tuple[int, float] | None = None
        self.set_limits: dict[str, str] = {}
        self.oom_kills = 0
        self.storage_level = StorageLevel.FREE
        self.readonly_run = 0
        self.enforced = Enforced()
        self.limiting = asyncio.Lock()
        self.stop_undo_until = 0.0
        self.wakes: dict[str, Traffic] = {}
        self.wake_ms = 0.0
        self._changed = asyncio.Event()

    @property
    def limits(self) -> LimitsSpec:
        """Its limits: those set for it over those of its service."""
        try:
            return with_texts(self.spec.all_limits, self.set_limits)
        except BadLimit:  # set by another version
            return self.spec.all_limits

    def configure(self, spec: ServiceSpec) -> None:
        """Take what the configuration says from now on."""
        self.spec = spec
        self.wanted_digest = spec_digest(spec)

    @property
    def port(self) -> int:
        """Where it listens, 0 without a process."""
        return self.process.blob.port if self.process else 0

    @property
    def digest(self) -> str:
        """Digest of what its process was started with, "" without one."""
        return self.process.blob.spec_digest if self.process else ""

    @property
    def is_running(self) -> bool:
        """Whether its program runs."""
        return self.process is not None and self.life.process is Process.RUNNING

    def is_over(self) -> bool:
        """Tell whether it has no process, nor one on its way."""
        return self.life.process is Process.NONE

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until something is true of it; looked at after every step."""
        while not claim():
            await self._changed.wait()

    def notify(self) -> None:
        """Wake those who wait in `until`."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def undo(self, now: float) -> tuple[str, float]:
        """Say what undo would take back and until when (monotonic); "" and 0 if nothing."""
        if self.life.hold_until:
            return self.life.undo, self.life.hold_until
        if now < self.stop_undo_until and self.life.desired is Desired.STOPPED:
            return "stop", self.stop_undo_until
        if self.weight_before is not None and now < self.weight_before[1]:
            return f"weight {self.weight_before[0]}", self.weight_before[1]
        return "", 0.0

    def stored(self) -> StoredInstance:
        """Give what outlives the engine."""
        life = self.life
        kept = Kept(
            life=life,
            generation=self.generation,
            state_since=self.state_since,
            activity_at=self.activity_at,
            set_limits=self.set_limits,
            oom_kills=self.oom_kills,
            storage_level=self.storage_level,
            readonly_run=self.readonly_run,
        )
        return StoredInstance(
            name=self.name,
            desired=life.desired,
            state=life.state,
            weight=self.weight,
            restarts=life.restarts,
            version=self.version,
            why=life.why,
            started_at=self.process.blob.started_at if self.process else 0.0,
            spec_digest=self.digest,
            life=msgspec.json.encode(kept),
        )

    def restore(self, stored: StoredInstance) -> None:
        """Take up what an earlier engine left."""
        self.weight = stored.weight
        self.version = stored.version
        self.life = Life(
            name=self.name,
            desired=stored.desired,
            state=stored.state,
            restarts=stored.restarts,
            why=stored.why,
        )
        try:
            kept = msgspec.json.decode(stored.life, type=Kept)
        except msgspec.DecodeError:
            return  # of another version: it goes on by name, desire and state
        self.life = kept.life
        self.generation = kept.generation
        self.state_since = kept.state_since or self.state_since
        self.activity_at = kept.activity_at
        self.set_limits = kept.set_limits
        self.oom_kills = kept.oom_kills
        self.storage_level = kept.storage_level
        self.readonly_run = kept.readonly_run

    def view(self) -> InstanceView:
        """Describe it for the API."""
        now = time.monotonic()
        life, process, spec = self.life, self.process, self.spec
        undo, undo_until = self.undo(now)
        until = undo_until or life.until
        return InstanceView(
            name=self.name,
            service=self.service,
            id=self.id,
            state=life.state,
            desired=life.desired,
            isolation=process.blob.isolation if process else spec.isolation.value,
            version=self.version,
            weight=self.weight,
            # That of the process it has, whatever the file says by now; early ones named none.
            network=(process and process.blob.network) or Network.HOST.value,
            port=self.port,
            pid=process.main_pid if process else 0,
            started_at=process.blob.started_at if process else 0.0,
            state_since=self.state_since,
            until=wall() + until - now if until > now else 0.0,
            undo=undo,
            restarts=life.restarts,
            activity_at=self.activity_at,
            wake_ms=self.wake_ms,
            storage_used_bytes=self.storage_used_bytes,
            storage_quota_bytes=spec.storage_quota_mb * 1024 * 1024,
            oom_kills=self.oom_kills,
            memory_limit_bytes=self.enforced.memory_bytes if process else 0,
            spec_changed=process is not None and self.digest != self.wanted_digest,
            why=life.why,
        )
