"""As many instances of a service as its load needs: replicas of the one that serves.

What `engine.core.scale` decides is brought about by what instances have anyway, so that any
engine goes on from what is written down: `api:web-2`, `api:web-3` are replicas of `api:web`; one
with weight 0 is on its way out and is stopped once nothing is in flight at it. A replica that was
stopped while it had a weight was stopped by somebody, and stays so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.errors import TenError
from engine.core.names import is_label
from engine.core.scale import UNITS, Load, Memory, Target
from engine.core.wire import Desired, EventKind, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.scale import Decision, Scale
    from engine.core.spec import ServiceSpec
    from engine.core.wire import Sample
    from engine.daemon.instance import Instance
    from engine.daemon.registry import Registry
    from engine.daemon.rollouts import Rollouts
    from engine.daemon.supervisor import Supervisor
    from engine.daemon.versions import Versions

_DOWN = frozenset({State.STOPPED, State.ASLEEP})


class Scaling:
    """Looks once a second, at services that have a `scale` table."""

    def __init__(self, supervisor: Supervisor, versions: Versions, rollouts: Rollouts) -> None:
        """Take who starts and stops instances, what they run on, and whom not to disturb."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._versions = versions
        self._rollouts = rollouts
        self._memories: dict[str, Memory] = {}
        self._refused: dict[str, str] = {}

    def look(self, samples: Mapping[str, Sample]) -> None:
        """Bring about what the load of this second and those before needs."""
        if self._registry.is_stopping:
            return
        services = self._registry.config.services
        self._memories = {each: self._memories[each] for each in self._memories if each in services}
        for spec in services.values():
            if spec.scale is not None:
                self._look_at(spec, spec.scale, samples)

    def _look_at(self, spec: ServiceSpec, scale: Scale, samples: Mapping[str, Sample]) -> None:
        members = [each for each in self._registry.sorted() if each.service == spec.name]
        serving = [each for each in members if is_serving(each)]
        load = _load(scale.target, members, samples)
        memory = self._memories.setdefault(spec.name, Memory())
        decision = memory.decide(scale, load, len(serving))
        is_held, others = self._rollouts.holds(spec.name)
        if is_held:
            return  # both sides are being compared
        bases = {each.id: base_of(self._registry, each) for each in members}
        for each in members:
            base = bases[each.id]
            if base is not None and each.id not in others:
                self._look_after(each, base)
        serving = [each for each in serving if is_serving(each)]
        originals = [each for each in serving if bases[each.id] is None or each.id in others]
        if originals:
            self._bring_about(spec, decision, serving, originals)

    def _look_after(self, replica: Instance, base: Instance) -> None:
        """Let a replica go with its base, and end it when it carries nothing any more."""
        if replica.weight and is_serving(replica) and not is_serving(base):
            self._supervisor.weigh(replica, 0)
        is_wanted = replica.life.desired is Desired.RUNNING
        if not replica.weight and is_wanted and not self._inflight(replica):
            self._supervisor.apply(replica, life.Stop())

    def _bring_about(
        self,
        spec: ServiceSpec,
        decision: Decision,
        serving: list[Instance],
        originals: list[Instance],
    ) -> None:
        count = max(decision.count, len(originals)) if decision.count else 0
        if count > len(serving):
            leader = min(originals, key=lambda each: (-each.weight, each.id))
            done = self._add(spec, leader, count - len(serving))
        elif count:
            replicas = [each for each in serving if each not in originals]
            done = self._remove(replicas, len(serving) - count)
        else:
            done = self._sleep(serving, originals)
        if done:
            self._tell(spec, decision, len(serving), len(serving) + done)

    def _add(self, spec: ServiceSpec, leader: Instance, count: int) -> int:
        added = 0
        for number in range(2, spec.max_instances + 2):
            if added == count:
                break
            ident = f"{leader.id}-{number}"
            known = self._registry.instances.get(f"{spec.name}:{ident}")
            if is_label(ident) and (known is None or _is_free(known)):
                try:
                    self._start(leader, ident)
                except TenError as error:
                    self._refuse(spec.name, str(error))
                    break
                self._refused.pop(spec.name, None)
                added += 1
        return added

    def _start(self, leader: Instance, ident: str) -> None:
        """Have a replica carry traffic: one on its way out turns round, another is started.

        Raises:
            TenError: There is no room for it.
            StoreError: What it is to run on cannot be written.
        """
        name = f"{leader.service}:{ident}"
        known = self._registry.instances.get(name)
        if known is None or known.is_over():
            self._versions.record_like(leader, ident)
        replica = self._registry.ensure(name)
        self._supervisor.weigh(replica, leader.weight)
        if replica.life.state in _DOWN or replica.life.desired is Desired.STOPPED:
            self._supervisor.apply(replica, life.Start(life.By.CONFIG))

    def _remove(self, replicas: list[Instance], count: int) -> int:
        """Take the traffic from the newest; they end when nothing is in flight at them."""
        replicas.sort(key=lambda each: number_of(each.id), reverse=True)
        for each in replicas[:count]:
            self._supervisor.weigh(each, 0)
        return -len(replicas[:count])

    def _sleep(self, serving: list[Instance], originals: list[Instance]) -> int:
        """Let none run: a request wakes one of the originals."""
        self._remove([each for each in serving if each not in originals], len(serving))
        slept = 0
        for each in originals:
            if each.life.state in life.ROUTED or each.life.state is State.FROZEN:
                self._supervisor.apply(each, life.Idle())
                slept += 1
        return -len(serving) if slept else 0

    def _inflight(self, instance: Instance) -> int:
        return self._supervisor.tools.doors.inflight(instance.name)

    def _tell(self, spec: ServiceSpec, decision: Decision, before: int, now: int) -> None:
        scale = spec.scale
        if scale is None:
            return
        amount = f"{decision.amount:.1f}".removesuffix(".0")
        text = (
            f"{spec.name}: {before} → {now} instances: {amount} {UNITS[scale.target]} in all, "
            f"{scale.amount:g} wanted for each ({scale.least} to {scale.most})"
        )
        self._supervisor.tools.journal.add(EventKind.ACTION, text, actor="scale")

    def _refuse(self, service: str, reason: str) -> None:
        """Say once why there are not more."""
        if self._refused.get(service) != reason:
            self._refused[service] = reason
            text = f"{service} gets no more instances: {reason}"
            self._supervisor.tools.journal.add(
                EventKind.ACTION, text, level="warning", actor="scale"
            )


def number_of(ident: str) -> int:
    """Give N of `NAME-N` where that may be a replica's id; 0 for others."""
    tail = ident.rpartition("-")[2]
    is_plain = tail.isascii() and tail.isdigit() and tail[0] != "0" and tail != ident
    number = int(tail) if is_plain and len(tail) < 5 else 0
    return number if number > 1 else 0


def base_of(registry: Registry, instance: Instance) -> Instance | None:
    """Give the instance that one is a replica of, None where it is none."""
    if instance.spec.scale is None or not number_of(instance.id):
        return None
    if (instance.service, instance.id) in registry.config.instances:
        return None
    return registry.instances.get(f"{instance.service}:{instance.id.rpartition('-')[0]}")


def is_serving(instance: Instance) -> bool:
    """Tell whether it counts: it carries traffic, is on its way to, or tries to."""
    is_wanted = instance.life.desired is Desired.RUNNING and instance.weight > 0
    return is_wanted and instance.life.state not in _DOWN


def _is_free(known: Instance) -> bool:
    """Tell whether it may be used: on its way out, or down by our own doing."""
    return known.weight == 0 or known.life.state is State.ASLEEP


def _load(target: Target, members: list[Instance], samples: Mapping[str, Sample]) -> Load:
    """Add up the load of all that run, those on their way out included."""
    known = [samples[each.name] for each in members if each.name in samples]
    inflight = sum(each.inflight for each in known)
    rate = sum(each.requests for each in known)
    percent = sum(each.cpu_cores for each in known) * 100
    amounts = {Target.INFLIGHT: float(inflight), Target.RPS: rate, Target.CPU: percent}
    is_busy = target is Target.CPU and percent >= 1
    return Load(time.monotonic(), amounts[target], not (inflight or rate or is_busy))
