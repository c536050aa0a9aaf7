"""Rollouts under way: looked at, written down, brought about.

Each look gives the next state; it is in the database before anything acts on it, and acting is
making true what `engine.core.rollout.wanted` says. A new engine reads the state and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec import structs

from engine.core import life
from engine.core.errors import NotFound, Refused
from engine.core.rollout import (
    Member,
    Order,
    Phase,
    Rollout,
    Seen,
    Wanted,
    figures,
    order,
    tick,
    wanted,
)
from engine.core.rollout_gate import Counters
from engine.core.rollout_plan import BadPlan, Strategy, with_values
from engine.core.wire import Desired, EventKind, State
from engine.core.wire_rollout import RolloutView, view_of
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.daemon.instance import Instance
from engine.daemon.rollout_words import LEVELS, sentence
from engine.daemon.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.rollout_plan import Plan
    from engine.core.spec import ServiceSpec
    from engine.daemon.supervisor import Supervisor
    from engine.daemon.version_store import VersionStore
    from engine.daemon.versions import Versions

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often rollouts under way are looked at; figures of the doors come once a second."""

SPARE_SECONDS = 5.0
"""Beyond its `startup_timeout`, an instance may take this long to be launched and probed."""

_DOWN = frozenset({State.STOPPED, State.FAILED, State.ASLEEP})


class Rollouts:
    """All rollouts of an engine, the last one of each service."""

    def __init__(self, supervisor: Supervisor, versions: Versions, store: VersionStore) -> None:
        """Take what carries them out."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._versions = versions
        self._store = store
        self._known: dict[str, Rollout] = {}
        self._task: asyncio.Task[None] | None = None

    def resume(self) -> None:
        """Go on where the engine before was; before the doors are told anything."""
        self._known = self._store.rollouts(self._registry.config.services)
        for rollout in self._known.values():
            self._bring_about(rollout)
        self._look_after()

    # --- what is asked ---

    def views(self) -> list[RolloutView]:
        """Describe all, by service."""
        return [self.view(service) for service in sorted(self._known)]

    def view(self, service: str) -> RolloutView:
        """Describe the last rollout of a service.

        Raises:
            NotFound: It had none.
        """
        rollout = self._get(service)
        members = [each.ident for each in (*rollout.olds, *rollout.news)]
        weights = {
            name: self._registry.instances[name].weight
            for ident in members
            if (name := f"{service}:{ident}") in self._registry.instances
        }
        is_observed = rollout.phase in {Phase.OBSERVING, Phase.PROMOTED}
        traffic = figures(rollout, self._seen(rollout)) if is_observed else None
        return view_of(rollout, weights, traffic)

    def check_free(self, name: str) -> None:
        """Refuse what would get in the way of a rollout.

        Args:
            name: An instance, or a service.

        Raises:
            Refused: It is part of a rollout that is under way.
        """
        service, _, ident = name.partition(":")
        rollout = self._known.get(service)
        if rollout is None or rollout.is_over:
            return
        if not ident or any(each.ident == ident for each in (*rollout.news, *rollout.olds)):
            message = f"{name} is under rollout ({rollout.phase.value})"
            hint = f"ten rollout abort {service} goes back, ten rollout promote {service} ends it"
            raise Refused(message, hint=hint)

    def start(
        self, service: str, version: str, values: Mapping[str, object], *, actor: str
    ) -> RolloutView:
        """Begin to bring a version to the traffic of a service.

        Args:
            service: Which.
            version: The id of the new version.
            values: What is said over the service's own `deploy` table, by its keys.
            actor: Who asks.

        Raises:
            NotFound: No such service.
            Refused: A value is none, another rollout is under way, or there is nothing to
                take over from.
        """
        spec = self._registry.spec_of(f"{service}:{version}")
        try:
            plan = with_values(spec.deploy, values)
        except BadPlan as error:
            raise Refused(str(error)) from error
        if plan.strategy is None:
            names = ", ".join(Strategy)
            message = f"no strategy is said for {service}: {names}"
            raise Refused(message, hint=f"or set service.{service}.deploy.strategy")
        olds = self._serving(service)
        count = len(olds) if plan.strategy is Strategy.ROLLING else 1
        idents = [version, *(f"{version}-{number}" for number in range(2, count + 1))]
        weights = [each.weight for each in olds] if count > 1 else [100]
        news = tuple(Member(*each) for each in zip(idents, weights, strict=True))
        self._check(spec, news, olds, plan)
        self._versions.record(service, [each.ident for each in olds])
        self._versions.record(service, idents, is_new=True)
        return self._begin(spec, plan, news, olds, actor)

    def order(self, service: str, what: Order, *, actor: str) -> RolloutView:
        """Let a user steer a rollout; `rollback` of one that is done begins one back.

        Raises:
            NotFound: The service had none.
            Refused: It makes no sense now.
        """
        rollout = self._get(service)
        if what is Order.ROLLBACK and rollout.phase is Phase.DONE:
            return self._roll_back(rollout, actor)
        self._enter(rollout, order(rollout, what, self._seen(rollout), wall(), actor), actor=actor)
        self._look_after()
        return self.view(service)

    def _roll_back(self, done: Rollout, actor: str) -> RolloutView:
        """Begin a rollout back to what a finished one has replaced, from its records."""
        spec = self._registry.spec_of(f"{done.service}:{done.olds[0].ident}")
        plan = spec.deploy
        changes = {"strategy": Strategy.BLUE_GREEN.value, "pause": 0}
        plan = with_values(plan, changes)
        olds = self._serving(done.service)
        self._check(spec, done.olds, olds, plan)
        self._versions.record(done.service, [each.ident for each in olds])
        return self._begin(spec, plan, done.olds, olds, actor)

    def _get(self, service: str) -> Rollout:
        rollout = self._known.get(service)
        if rollout is None:
            message = f"{service} has had no rollout"
            raise NotFound(message, hint=f"ten deploy {service}:VERSION --strategy canary")
        return rollout

    def _serving(self, service: str) -> tuple[Member, ...]:
        """Give the instances that carry a service's traffic."""
        return tuple(
            Member(each.id, each.weight)
            for each in self._registry.sorted()
            if each.service == service
            and each.weight > 0
            and each.life.desired is Desired.RUNNING
            and each.life.state not in {State.FAILED, State.STOPPED}
        )

    def _check(
        self,
        spec: ServiceSpec,
        news: tuple[Member, ...],
        olds: tuple[Member, ...],
        plan: Plan,
    ) -> None:
        """Refuse a rollout that cannot be.

        Raises:
            Refused: With the reason; nothing was changed.
        """
        service = spec.name
        if self._registry.is_stopping:
            raise Refused("the engine is stopping")
        self.check_free(service)
        old = {each.ident for each in olds}
        both = [each.ident for each in news if each.ident in old]
        if both:
            message = f"{service}:{both[0]} has traffic already"
            raise Refused(message, hint="deploy under the name of another version")
        if not olds:
            message = f"no instance of {service} has traffic that could go over"
            raise Refused(message, hint=f"ten deploy {service}:{news[0].ident} starts it")
        used = sum(
            each.service == service and each.life.state is not State.STOPPED
            for each in self._registry
        )
        more = 1 if plan.strategy is Strategy.ROLLING else len(news)
        if used + more > spec.max_instances:
            message = f"{service} has {used} instances, max_instances = {spec.max_instances}"
            hint = f"a rollout needs room for {more} more: raise service.{service}.max_instances"
            raise Refused(message, hint=hint)

    def _begin(
        self,
        spec: ServiceSpec,
        plan: Plan,
        news: tuple[Member, ...],
        olds: tuple[Member, ...],
        actor: str,
    ) -> RolloutView:
        now = wall()
        rollout = Rollout(
            service=spec.name,
            plan=plan,
            news=news,
            olds=olds,
            startup_seconds=spec.startup_timeout_seconds + SPARE_SECONDS,
            begun_at=now,
            since=now,
            actor=actor,
        )
        self._enter(None, rollout, actor=actor)
        self._look_after()
        return self.view(spec.name)

    # --- how it goes on ---

    def _look_after(self) -> None:
        is_idle = self._task is None or self._task.done()
        if is_idle and any(not each.is_over for each in self._known.values()):
            self._task = tasks.spawn(self._run(), name="rollouts")

    async def _run(self) -> None:
        while any(not each.is_over for each in self._known.values()):
            await asyncio.sleep(LOOK_SECONDS)
            for rollout in list(self._known.values()):
                if not (rollout.is_over or self._registry.is_stopping):
                    self._look(rollout)

    def _look(self, rollout: Rollout) -> None:
        if rollout.service not in self._registry.config.services:
            reason = f"{rollout.service} is configured no more"
            self._try_enter(rollout, _failed(rollout, reason))
            return
        self._try_enter(rollout, tick(rollout, self._seen(rollout), wall()))

    def _try_enter(self, old: Rollout, new: Rollout) -> None:
        try:
            self._enter(old, new)
        except StoreError as error:
            log.error("the rollout of %s waits, as it cannot be written: %s", old.service, error)

    def _enter(self, old: Rollout | None, new: Rollout, *, actor: str = "engine") -> None:
        """Write a state down, then make it true.

        Raises:
            StoreError: It is not written; nothing was done.
        """
        if new != old:
            self._store.save_rollout(new)
            self._known[new.service] = new
            self._tell(old, new, actor)
        self._bring_about(new)

    def _tell(self, old: Rollout | None, new: Rollout, actor: str) -> None:
        text = sentence(old, new)
        if text:
            self._supervisor.tools.journal.add(
                EventKind.ACTION,
                text,
                level=LEVELS.get(new.phase, "info"),
                instance=f"{new.service}:{new.news[0].ident}",
                actor=actor,
                command=f"ten rollout status {new.service}",
            )

    def _seen(self, rollout: Rollout) -> dict[str, Seen]:
        traffic = self._supervisor.tools.store.requests()
        found = {}
        for each in (*rollout.news, *rollout.olds):
            instance = self._registry.instances.get(f"{rollout.service}:{each.ident}")
            if instance is not None:
                counted = traffic.get(instance.name)
                counters = Counters(restarts=instance.life.restarts)
                if counted is not None:
                    counters = Counters(
                        requests=counted.requests,
                        errors=counted.errors,
                        buckets=tuple(counted.buckets),
                        restarts=instance.life.restarts,
                    )
                found[each.ident] = _seen(instance, counters)
        return found

    def _bring_about(self, rollout: Rollout) -> None:
        """Make true what is wanted, as far as it is not; all weights in one turn of the loop."""
        want = wanted(rollout)
        if want is None or rollout.service not in self._registry.config.services:
            return
        for ident, weight in want.weights.items():
            self._weigh(self._ensure(rollout.service, ident), weight)
        is_starting = rollout.phase is Phase.STARTING
        for ident in want.run:
            self._run_one(self._ensure(rollout.service, ident), is_needed_up=is_starting)
        self._stop(rollout.service, want)

    def _ensure(self, service: str, ident: str) -> Instance:
        """Give an instance; one that is new has no weight until it is said."""
        name = f"{service}:{ident}"
        instance = self._registry.instances.get(name)
        if instance is None:
            spec = self._registry.own_spec(name, self._registry.spec_of(name))
            instance = self._registry.instances[name] = Instance(name, spec)
            instance.weight = 0
        return instance

    def _weigh(self, instance: Instance, weight: int) -> None:
        if instance.weight != weight:
            instance.weight = weight
            instance.weight_before = None  # an undo would get in the way
            self._supervisor.save(instance)
            self._supervisor.tools.routes.touch()
            self._supervisor.tell(instance)

    def _run_one(self, instance: Instance, *, is_needed_up: bool) -> None:
        state = instance.life.state
        if instance.life.desired is Desired.STOPPED or (is_needed_up and state in _DOWN):
            self._supervisor.apply(instance, life.Start(life.By.USER))
        elif is_needed_up and instance.is_running and instance.digest != instance.wanted_digest:
            self._supervisor.apply(instance, life.Restart())

    def _stop(self, service: str, want: Wanted) -> None:
        for ident in want.stop:
            instance = self._registry.instances.get(f"{service}:{ident}")
            if instance is not None and instance.life.desired is not Desired.STOPPED:
                self._supervisor.apply(instance, life.Stop())


def _seen(instance: Instance, counters: Counters) -> Seen:
    state, why = instance.life.state, instance.life.why
    is_right = not instance.digest or instance.digest == instance.wanted_digest
    reason = f": {why.summary}" if why is not None else ""
    return Seen(
        is_up=state in life.ROUTED and is_right,
        is_asleep=state in {State.ASLEEP, State.FROZEN},
        is_failed=state in {State.FAILED, State.BACKOFF},
        is_gone=instance.is_over() and instance.life.desired is Desired.STOPPED,
        text=f"{state.value}{reason}",
        counters=counters,
    )


def _failed(rollout: Rollout, reason: str) -> Rollout:
    return structs.replace(rollout, phase=Phase.FAILED, reason=reason, since=wall())
