"""Requests that wait at a door for an instance that does not run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.admission import Refusal, TokenBucket, admit_request
from engine.core.lifecycle import wake_refusal
from engine.core.wire import EventKind, State
from engine.daemon.registry import is_instance
from engine.daemon.routes import route_entry
from engine.daemon.storage_guard import is_stopped_for_storage
from engine.daemon.supervisor import PATIENCE_SECONDS

if TYPE_CHECKING:
    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor

_RUNNING = frozenset({State.STARTING, State.HEALTHY, State.DEGRADED, State.UNHEALTHY})


TOLD_SECONDS = 60.0
"""So seldom is a refusal written down for one instance, or for all unknown ones of a service."""


class Wakes:
    """Starts what a request asks for, or says why not."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Take what starts instances."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._buckets: dict[str, TokenBucket] = {}
        self._told: dict[str, float] = {}

    def on_wake(self, name: str) -> None:
        """Deal with a request for an instance; the door is answered only where it gets none."""
        refusal = self._refusal(name)
        if refusal is not None:
            doors = self._supervisor.tools.doors
            doors.fail_wake(name, refusal.reason, refusal.retry_after)
            self._note(name, refusal)

    def on_crowd(self, key: str, waiting: int) -> None:
        """Write down that a door answers 503, as so many wait already."""
        self._note(key, Refusal(f"{waiting} wait already"))

    def _note(self, name: str, refusal: Refusal) -> None:
        """Write down why requests are answered 503; names that strangers invent fill no log."""
        service, now = name.partition(":")[0], time.monotonic()
        key = name if name in self._registry.instances else service
        if key not in self._registry.instances and key not in self._registry.config.services:
            return
        self._told = {each: at for each, at in self._told.items() if now - at < TOLD_SECONDS}
        if key in self._told:
            return
        self._told[key] = now
        self._supervisor.tools.journal.add(
            EventKind.STATE,
            f"requests for {name} are answered 503: {refusal.reason}",
            level="warning",
            instance=name if key == name else "",
        )

    def _refusal(self, name: str) -> Refusal | None:
        if self._registry.is_stopping:
            return Refusal("the engine is stopping")
        if not is_instance(name):
            return Refusal("no name of an instance")
        known = self._registry.instances.get(name)
        if known is not None and known.life.state is State.FROZEN:
            self._supervisor.apply(known, life.Start(life.By.REQUEST))
            return None
        if known is not None and known.life.state in _RUNNING:
            self._show(known)
            return None
        spec = self._registry.config.services.get(name.partition(":")[0])
        if spec is None:
            return Refusal("no such service")
        if known is not None and is_stopped_for_storage(known):
            return Refusal("it stores more than its quota")
        refused = admit_request(
            spec,
            is_known=known is not None,
            count=self._registry.count(spec.name),
            bucket=self._buckets.setdefault(spec.name, TokenBucket()),
            now=time.monotonic(),
        )
        if refused is not None:
            return refused
        return self._start(known if known is not None else self._make(name))

    def _show(self, instance: Instance) -> None:
        """Tell the doors what one has not seen yet: what it waits for runs, or is on its way."""
        if instance.life.state in life.ROUTED:
            self._supervisor.tools.doors.show(instance.name, route_entry(instance))
        self._supervisor.tools.routes.touch()

    def _make(self, name: str) -> Instance:
        """Know an instance that a request has invented; bounded by `admit_request`."""
        instance = self._registry.ensure(name)
        self._supervisor.tools.journal.add(
            EventKind.ACTION,
            f"{name} is made: a request asks for it",
            instance=name,
            actor="door",
            command=f"ten spawn {name}",
        )
        return instance

    def _start(self, instance: Instance) -> Refusal | None:
        refused = wake_refusal(instance.life, time.monotonic())
        if refused is None:
            self._supervisor.apply(instance, life.Start(life.By.REQUEST))
            return None
        reason, retry_after = refused
        is_soon = retry_after <= PATIENCE_SECONDS
        if is_soon and instance.life.state is State.BACKOFF:
            return None
        return Refusal(reason, retry_after)
