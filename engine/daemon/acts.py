"""What a user may do to an instance, waited for and written down."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.errors import LaunchFailed, Refused
from engine.core.wire import Desired, EventKind, State
from engine.daemon.instance import UNDO_SECONDS
from engine.daemon.prober import probe
from engine.daemon.scaling import base_of

if TYPE_CHECKING:
    from engine.core.wire import InstanceView
    from engine.daemon.instance import Instance
    from engine.daemon.rollouts import Rollouts
    from engine.daemon.supervisor import Supervisor

MAX_WEIGHT = 100

_OVER = frozenset({State.BACKOFF, State.FAILED, State.STOPPED, State.ASLEEP})


class Acts:
    """Spawn, stop, restart, undo, weight and health; each with its event and its command line."""

    def __init__(self, supervisor: Supervisor, rollouts: Rollouts) -> None:
        """Take what carries them out, and what must not be disturbed."""
        self._supervisor = supervisor
        self._rollouts = rollouts
        self._registry = supervisor.registry

    @property
    def rollouts(self) -> Rollouts:
        """The rollouts."""
        return self._rollouts

    async def spawn(self, name: str, *, actor: str) -> InstanceView:
        """See `Control.spawn`."""
        self._check_open()
        instance = self._registry.ensure(name)
        if instance.is_running and instance.life.state not in {State.DRAINING, State.FROZEN}:
            return instance.view()
        self._note(instance, "is started", actor, f"ten spawn {name}")
        self._supervisor.apply(instance, life.Start(life.By.USER))
        return await self._launched(instance, 0)

    async def stop(self, name: str, *, actor: str, hold_seconds: float = 0.0) -> None:
        """See `Control.stop`."""
        instance = self._registry.get(name)
        self._rollouts.check_free(name)
        if instance.life.desired is not Desired.STOPPED:
            self._note(instance, "is stopped", actor, f"ten stop {name}")
            instance.stop_undo_until = time.monotonic() + UNDO_SECONDS
        self._supervisor.apply(instance, life.Stop(hold_seconds))
        if hold_seconds <= 0:
            await instance.until(
                lambda: (
                    instance.life.state is State.STOPPED or instance.life.desired is Desired.RUNNING
                )
            )

    async def restart(self, name: str, *, actor: str) -> InstanceView:
        """See `Control.restart`."""
        self._check_open()
        self._rollouts.check_free(name)
        instance = self._registry.instances.get(name)
        if instance is None or instance.life.state is State.STOPPED:
            instance = self._registry.ensure(name)
        else:
            self._registry.spec_of(name)
        before = instance.generation
        self._note(instance, "is restarted", actor, f"ten restart {name}")
        self._supervisor.apply(instance, life.Restart())
        return await self._launched(instance, before)

    async def undo(self, name: str, *, actor: str) -> str:
        """See `Control.undo`."""
        instance = self._registry.get(name)
        self._rollouts.check_free(name)
        what, _ = instance.undo(time.monotonic())
        if not what:
            message = f"{name}: nothing to undo"
            hint = f"an act can be undone for {UNDO_SECONDS:g} s; a request wakes what was stopped"
            raise Refused(message, hint=hint)
        if instance.life.hold_until:
            self._note(instance, "is not stopped after all", actor, f"ten spawn {name}")
            self._supervisor.apply(instance, life.Undo())
        elif what == "stop":
            self._note(instance, "is started again", actor, f"ten spawn {name}")
            self._supervisor.apply(instance, life.Start(life.By.USER))
        elif instance.weight_before is not None:
            weight, _ = instance.weight_before
            self._set_weight(instance, weight, actor)
            instance.weight_before = None
            self._supervisor.tell(instance)
        return what

    def set_weight(self, name: str, weight: int, *, actor: str) -> InstanceView:
        """See `Control.set_weight`."""
        instance = self._registry.get(name)
        if weight < 0:
            raise Refused("a weight is 0 or more")
        self._rollouts.check_free(name)
        old, new = instance.weight, min(weight, MAX_WEIGHT)
        if new != old:
            self._set_weight(instance, new, actor)
            instance.weight_before = (old, time.monotonic() + UNDO_SECONDS)
        return instance.view()

    async def check_health(self, name: str) -> str:
        """See `Control.check_health`."""
        instance = self._registry.instances.get(name)
        if instance is None:
            return "unknown"
        state = instance.life.state
        if instance.is_running and state in life.ROUTED:
            found = await probe("127.0.0.1", instance.port, instance.spec.health)
            if found.is_ok:
                return State.HEALTHY.value
            return (State.DEGRADED if state is State.HEALTHY else state).value
        match state:
            case State.UNHEALTHY | State.FAILED:
                return state.value
            case State.FROZEN:  # it was, and nothing in it has moved since
                return State.HEALTHY.value
            case State.BACKOFF:
                return State.UNHEALTHY.value
            case _:
                return "unknown"

    def _set_weight(self, instance: Instance, weight: int, actor: str) -> None:
        old, instance.weight = instance.weight, weight
        self._supervisor.save(instance)
        self._note(
            instance,
            f"has weight {weight}, before {old}",
            actor,
            f"ten weight {instance.name} {weight}",
        )
        self._supervisor.tools.routes.touch()
        self._supervisor.tell(instance)
        if not weight:
            for each in self._registry:
                if base_of(self._registry, each) is instance:
                    self._supervisor.weigh(each, 0)

    async def _launched(self, instance: Instance, generation: int) -> InstanceView:
        """Wait until a launch later than `generation` is answered; give what came of it."""

        def is_answered() -> bool:
            is_up = instance.is_running and instance.generation > generation
            return is_up or instance.life.state in _OVER

        await instance.until(is_answered)
        if instance.is_running:
            return instance.view()
        why = instance.life.why
        if why is None or not why.step:
            reason = why.summary if why is not None else "it was stopped meanwhile"
            raise Refused(f"{instance.name}: {reason}")
        number = getattr(errno, why.errno, 0) if why.errno else 0
        raise LaunchFailed(why.summary, step=why.step, errno=number, path=why.path)

    def _check_open(self) -> None:
        if self._registry.is_stopping:
            raise Refused("the engine is stopping")

    def _note(self, instance: Instance, what: str, actor: str, command: str) -> None:
        self._supervisor.tools.journal.add(
            EventKind.ACTION,
            f"{instance.name} {what} by {actor}",
            instance=instance.name,
            actor=actor,
            command=command,
        )
