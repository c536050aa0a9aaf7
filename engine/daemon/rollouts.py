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
from engine.core.rollout_plan import BadPlan, Strategy, with_values
from engine.core.wire import Desired, EventKind, State
from engine.core.wire_rollout import RolloutChanged, RolloutView, view_of
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.daemon.instance import Instance
from engine.daemon.rollout_sight import seen_of
from engine.daemon.rollout_words import LEVELS, sentence
from engine.daemon.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.rollout_plan import Plan
    from engine.core.spec import ServiceSpec
    from engine.daemon.supervisor import Supervisor
    from engine.daemon.version_store import VersionStore
    from engine.daemon.versions import Versions

Sides = tuple[tuple[str, "ServiceSpec | None"], tuple[str, "ServiceSpec | None"]]

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often rollouts under way are looked at; figures of the doors come once a second."""

SPARE_SECONDS = 5.0
"""Beyond its `startup_timeout`, an instance may take this long to be launched and probed."""

_DOWN = frozenset({State.STOPPED, State.FAILED, State.ASLEEP, State.FROZEN})


class Rollouts:
    """All rollouts of an engine, the last one of each service."""

    def __init__(self, supervisor: Supervisor, versions: Versions, store: VersionStore) -> None:
        """Take what carries them out."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._versions = versions
        self._store = store
        self._known: dict[str, Rollout] = {}
        self._told: dict[str, RolloutView] = {}
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

    def holds(self, service: str) -> tuple[bool, frozenset[str]]:
        """Tell whether a rollout has all of a service, and the ids that are its own anyhow."""
        rollout = self._known.get(service)
        if rollout is None or rollout.is_over:
            return False, frozenset()
        members = frozenset(each.ident for each in (*rollout.news, *rollout.olds))
        return rollout.phase is not Phase.PROMOTED, members

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
        is_whole = plan.strategy is Strategy.ROLLING or spec.scale is not None
        count = len(olds) if is_whole else 1
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
        if what is Order.UNDO and rollout.is_over:
            self._check_as_left(rollout)
        new = order(rollout, what, self._seen(rollout), wall(), actor)
        self._enter(rollout, structs.replace(new, actor=actor), actor=actor)
        self._publish(service)
        self._look_after()
        return self.view(service)

    def _check_as_left(self, rollout: Rollout) -> None:
        """Refuse to begin anew from what is not as a rollout has left it."""
        service, recorded = rollout.service, self._registry.recorded
        is_recorded = all(f"{service}:{each.ident}" in recorded for each in rollout.news)
        if not is_recorded or set(self._serving(service)) != set(rollout.olds):
            message = f"{service} is not as its rollout has left it: nothing to undo"
            raise Refused(message, hint=f"ten deploy {service}:{rollout.news[0].ident}")
        spec = self._registry.spec_of(f"{service}:{rollout.news[0].ident}")
        self._check(spec, rollout.news, rollout.olds, rollout.plan)

    def compared(self, service: str, old: str, new: str) -> tuple[Sides, float]:
        """Give what was recorded for two versions, and since when the new one counts.

        Ids that are not said are those of the last rollout.

        Raises:
            NotFound: Not both are said and the service had no rollout.
        """
        known = self._known.get(service) if old and new else self._get(service)
        old = old or known.olds[0].ident if known else old
        new = new or known.news[0].ident if known else new
        records = self._store.records(service)
        one, other = (
            (f"{service}:{ident}", records[ident].spec if ident in records else None)
            for ident in (old, new)
        )
        is_of_it = known and any(each.ident == new for each in known.news)
        return (one, other), known.begun_at if known and is_of_it else 0.0

    def _roll_back(self, done: Rollout, actor: str) -> RolloutView:
        """Begin a rollout back to what a finished one has replaced, from its records."""
        spec = self._registry.spec_of(f"{done.service}:{done.olds[0].ident}")
        plan = with_values(spec.deploy, {"strategy": Strategy.BLUE_GREEN.value, "pause": 0})
        olds = self._serving(done.service) or done.news  # what is down is gone back from, too
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
        self._publish(spec.name)
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
                    self._publish(rollout.service)

    def _look(self, rollout: Rollout) -> None:
        if rollout.service not in self._registry.config.services:
            reason = f"{rollout.service} is configured no more"
            failed = structs.replace(rollout, phase=Phase.FAILED, reason=reason, since=wall())
            self._try_enter(rollout, failed)
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
        self._bring_about(new, is_entered=new != old)

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
        names = (f"{rollout.service}:{each.ident}" for each in (*rollout.news, *rollout.olds))
        return seen_of(names, self._registry, self._supervisor.tools.store.requests())

    def _publish(self, service: str) -> None:
        """Tell the consoles, where there is something new to tell."""
        consoles = self._supervisor.tools.broadcaster
        if len(consoles) and (view := self.view(service)) != self._told.get(service):
            self._told[service] = view
            consoles.publish(RolloutChanged(rollout=view))

    def _bring_about(self, rollout: Rollout, *, is_entered: bool = False) -> None:
        """Make true what is wanted, as far as it is not; all weights in one turn of the loop."""
        want = wanted(rollout)
        if want is None or rollout.service not in self._registry.config.services:
            return
        for ident, weight in want.weights.items():
            self._supervisor.weigh(self._ensure(rollout.service, ident), weight)
        is_starting = rollout.phase is Phase.STARTING
        is_tried = is_entered and rollout.phase is Phase.RETURNING
        for ident in want.run:
            instance = self._ensure(rollout.service, ident)
            if is_tried and instance.life.state is State.FAILED:  # once, and no more
                self._supervisor.apply(instance, life.Start(life.By.USER))
            self._run_one(instance, is_needed_up=is_starting)
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
