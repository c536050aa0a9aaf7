"""Requests that wait at a door for an instance that does not run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.admission import Refusal, TokenBucket, admit_request
from engine.core.lifecycle import wake_refusal
from engine.core.wire import EventKind, State
from engine.daemon.registry import is_instance
from engine.daemon.supervisor import PATIENCE_SECONDS

if TYPE_CHECKING:
    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor

_RUNNING = frozenset({State.STARTING, State.HEALTHY, State.DEGRADED, State.UNHEALTHY})


class Wakes:
    """Starts what a request asks for, or says why not."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Take what starts instances."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._buckets: dict[str, TokenBucket] = {}

    def on_wake(self, name: str) -> None:
        """Deal with a request for an instance; the door is answered only where it gets none."""
        refusal = self._refusal(name)
        if refusal is not None:
            doors = self._supervisor.tools.doors
            doors.fail_wake(name, refusal.reason, refusal.retry_after)

    def _refusal(self, name: str) -> Refusal | None:
        if self._registry.is_stopping:
            return Refusal("the engine is stopping")
        if not is_instance(name):
            return Refusal("no name of an instance")
        known = self._registry.instances.get(name)
        if known is not None and known.life.state in _RUNNING:
            # The door has not seen it yet: what it waits for is on its way.
            self._supervisor.tools.routes.touch()
            return None
        spec = self._registry.config.services.get(name.partition(":")[0])
        if spec is None:
            return Refusal("no such service")
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
