"""Who is idle: frozen after a while, and put to sleep after a longer one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.wire import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.wire import Sample
    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor


class Idleness:
    """Looks once a second; no health check counts, only requests and, on wish, CPU time."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Look at the instances of a supervisor."""
        self._supervisor = supervisor
        self._inflight = supervisor.tools.doors.inflight

    def look(self, samples: Mapping[str, Sample]) -> None:
        """Freeze who is quiet, end who is idle; `samples` are those of this second."""
        now = time.monotonic()
        for instance in self._supervisor.registry:
            if instance.life.state in life.ROUTED:
                self._look_at(instance, samples.get(instance.name), now)
            elif instance.life.state is State.FROZEN:
                self._look_at_frozen(instance, now)

    def on_request(self, instance: Instance) -> None:
        """Take a door's word that a request is under way: such a one is not frozen."""
        if instance.life.state is State.FROZEN:
            self._supervisor.apply(instance, life.Start(life.By.REQUEST))

    def _look_at(self, instance: Instance, sample: Sample | None, now: float) -> None:
        spec = instance.spec
        if not spec.idle_timeout_seconds and not spec.freeze_after_seconds:
            return
        percent = sample.cpu_cores * 100 if sample is not None else 0.0
        is_busy = spec.idle_cpu_percent and percent > spec.idle_cpu_percent
        idle = now - instance.active_since
        if is_busy or self._inflight(instance.name):
            instance.active_since = now
        elif spec.idle_timeout_seconds and idle > spec.idle_timeout_seconds:
            self._supervisor.apply(instance, life.Idle())
        elif (
            spec.freeze_after_seconds
            and idle > spec.freeze_after_seconds
            and _has_freezer(instance)
        ):
            self._supervisor.apply(instance, life.Quiet())

    def _look_at_frozen(self, instance: Instance, now: float) -> None:
        timeout = instance.spec.idle_timeout_seconds
        if timeout and now - instance.active_since > timeout:
            self._supervisor.apply(instance, life.Idle())
        elif not instance.spec.freeze_after_seconds:
            # By a new configuration it is to be frozen no more.
            self._supervisor.apply(instance, life.Start(life.By.CONFIG))


def _has_freezer(instance: Instance) -> bool:
    return instance.process is not None and instance.process.cgroup is not None
