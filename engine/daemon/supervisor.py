"""Carries out what the lifecycle decides.

`apply` is the only way a life changes: the step is taken, written to the database, told to the
clients and the doors, and then its commands are executed. Whatever takes time runs as a task
and comes back as the next event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, assert_never

import msgspec

from engine.core import gvisor, keeperwire, life
from engine.core.lifecycle import step, wake_refusal
from engine.core.spec import Isolation
from engine.core.wire import Desired, EventKind, InstanceChanged, InstanceGone, State
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.daemon.launcher import why_of
from engine.daemon.owners import foreign_listener
from engine.daemon.store import StoreError

if TYPE_CHECKING:
    from engine.core.oom import OomKill
    from engine.daemon.door_link import Doors
    from engine.daemon.feeds import Feeds
    from engine.daemon.instance import Instance
    from engine.daemon.journal import Journal
    from engine.daemon.keeper_link import KeeperLink
    from engine.daemon.launcher import Launcher
    from engine.daemon.limiter import Limiter
    from engine.daemon.oom import OomWatch
    from engine.daemon.prober import Prober, ProbeResult
    from engine.daemon.registry import Registry
    from engine.daemon.routes import Routes
    from engine.daemon.sampler import Sampler
    from engine.daemon.store import Store
    from engine.daemon.stream import Broadcaster

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
"""A waiting request is refused only where the next try is further away than this."""

STATUS_SECONDS = 0.25
"""How long the keeper's word may come after the pidfd's."""

_LEVELS = {
    State.DEGRADED: "warning",
    State.UNHEALTHY: "error",
    State.BACKOFF: "warning",
    State.FAILED: "error",
}


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the supervisor works with."""

    registry: Registry
    store: Store
    journal: Journal
    broadcaster: Broadcaster
    keeper: KeeperLink
    doors: Doors
    routes: Routes
    launcher: Launcher
    limiter: Limiter
    feeds: Feeds
    prober: Prober
    sampler: Sampler
    oom: OomWatch


class Supervisor:
    """Runs the lives of all instances."""

    def __init__(self, tools: Tools) -> None:
        """Take the tools; nothing happens before the first event."""
        self.tools = tools
        self.registry = tools.registry
        self._exits: dict[tuple[str, int], keeperwire.Exit] = {}
        self._changed: set[str] = set()

    # --- steps ---

    def apply(self, instance: Instance, event: life.LifeEvent) -> None:
        """Let something happen to an instance."""
        policy = life.Policy.of(instance.spec, self.registry.config.settings)
        self.enter(instance, *step(instance.life, event, time.monotonic(), policy))

    def enter(
        self,
        instance: Instance,
        new: life.Life,
        commands: tuple[life.Command, ...],
        *,
        is_adopted: bool = False,
    ) -> None:
        """Make a life the instance's own, and carry out what belongs to it.

        One that is adopted is no news, as far as it is as it was.
        """
        old, instance.life = instance.life, new
        if new.state is not old.state:
            instance.state_since = wall()
        if msgspec.structs.replace(old, reason=new.reason) != new:
            # Written before anybody outside may see it: no order is ever forgotten.
            self.save(instance)
            self.tell(instance)
        if new.state is not old.state:
            self._announce(instance, old)
        if new.state is not old.state or new.is_held is not old.is_held:
            self.tools.routes.touch()
        if old.awaits_drain and not new.awaits_drain:
            self.tools.doors.forget_drain(instance.name)
        for command in commands:
            self._do(instance, command)
        instance.notify()

    def save(self, instance: Instance) -> None:
        """Write what outlives the engine; a disk that is full stops no supervision."""
        try:
            self.tools.store.save_instance(instance.stored())
        except StoreError as error:
            log.error("%s is not saved: %s", instance.name, error)

    def tell(self, instance: Instance) -> None:
        """Show the instance as it is to the clients, once for all changes of this turn."""
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._publish)
        self._changed.add(instance.name)

    def forget(self, instance: Instance) -> None:
        """Know it no longer; it has no process."""
        self.registry.instances.pop(instance.name, None)
        try:
            self.tools.store.forget_instance(instance.name)
        except StoreError as error:
            log.error("%s is not forgotten: %s", instance.name, error)
        self.tools.launcher.plans.forget(instance.name)
        self.tools.routes.touch()
        self.tools.broadcaster.publish(InstanceGone(name=instance.name))

    def _publish(self) -> None:
        names, self._changed = self._changed, set()
        for name in sorted(names):
            instance = self.registry.instances.get(name)
            if instance is not None:
                self.tools.broadcaster.publish(InstanceChanged(instance=instance.view()))

    def _announce(self, instance: Instance, before: life.Life) -> None:
        new, old = instance.life, before.state
        self.tools.journal.add(
            EventKind.STATE,
            _sentence(instance, before),
            level=_LEVELS.get(new.state, "info"),
            instance=instance.name,
        )
        refusal = wake_refusal(new, time.monotonic())
        if new.state is State.STOPPED and old is not State.ASLEEP:
            refusal = ("was stopped", 0.0)
        if refusal is not None and new.state is not State.DRAINING:
            reason, retry_after = refusal
            if new.state is not State.BACKOFF or retry_after > PATIENCE_SECONDS:
                self.tools.doors.fail_wake(instance.name, reason, retry_after)

    # --- commands ---

    def _do(self, instance: Instance, command: life.Command) -> None:
        match command:
            case life.Launch():
                tasks.spawn(self._launch(instance), name=f"launch {instance.name}")
            case life.Terminate() | life.Kill():
                self._end(instance, command)
            case life.Route():
                self.tools.routes.touch()
            case life.AwaitDrain():
                self._await_drain(instance)
            case life.ArmTimer() | life.CancelTimer():
                self._set_timer(instance, command)
            case life.Watch() | life.Unwatch():
                self._probe(instance, command)
            case _:
                assert_never(command)

    def _end(self, instance: Instance, command: life.Terminate | life.Kill) -> None:
        if isinstance(command, life.Kill):
            self.kill(instance)
        elif instance.process is not None:
            instance.process.terminate()

    def kill(self, instance: Instance) -> None:
        """End every process of an instance, whatever it does."""
        if instance.process is not None:
            instance.process.kill()
            self.tools.keeper.send(keeperwire.Kill(instance.name))

    def _await_drain(self, instance: Instance) -> None:
        self.tools.routes.touch()
        self.tools.doors.await_drain(
            instance.name,
            self.tools.routes.next_version,
            # In a turn of its own: the step that waits for it is not done yet.
            partial(self._soon, instance, life.Drained()),
        )

    def _soon(self, instance: Instance, event: life.LifeEvent) -> None:
        asyncio.get_running_loop().call_soon(self.apply, instance, event)

    def _set_timer(self, instance: Instance, command: life.ArmTimer | life.CancelTimer) -> None:
        old = instance.timers.pop(command.timer, None)
        if old is not None:
            old.cancel()
        if isinstance(command, life.ArmTimer):
            delay = max(0.0, command.at - time.monotonic())
            instance.timers[command.timer] = asyncio.get_running_loop().call_later(
                delay, self._fire, instance, command.timer
            )

    def _fire(self, instance: Instance, timer: life.Timer) -> None:
        instance.timers.pop(timer, None)
        self.apply(instance, life.TimerFired(timer, wall()))

    def _probe(self, instance: Instance, command: life.Watch | life.Unwatch) -> None:
        if isinstance(command, life.Unwatch):
            self.tools.prober.unwatch(instance.name)
        else:
            self.watch(instance)

    def watch(self, instance: Instance) -> None:
        """Probe it as it is configured now."""
        process, opener, owner = instance.process, None, None
        if process is not None and process.has_own_network:
            opener = partial(self.tools.keeper.connect_inside, process.pid, instance.port)
        elif process is not None:
            owner = partial(foreign_listener, process, instance.port)
        self.tools.prober.watch(
            instance.name,
            "127.0.0.1",
            instance.port,
            instance.spec.health,
            self.registry.config.settings.health_check_interval_seconds,
            is_starting=instance.life.state is State.STARTING,
            opener=opener,
            owner=owner,
        )

    def on_probe(self, name: str, result: ProbeResult) -> None:
        """Take what a probe has found."""
        instance = self.registry.instances.get(name)
        if instance is not None:
            passed = life.CheckPassed()
            failed = life.CheckFailed(result.reason, wall())
            self.apply(instance, passed if result.is_ok else failed)

    # --- the process ---

    async def _launch(self, instance: Instance) -> None:
        instance.generation += 1
        instance.active_since = time.monotonic()
        self.save(instance)  # so that the next engine can tell this launch from one before
        try:
            process = await self.tools.launcher.launch(instance)
        except Exception as error:  # noqa: BLE001 - whatever it was, the launch is to be answered
            self.apply(instance, life.LaunchError(why_of(error)))
            self._rest(instance)
            return
        instance.process = process
        self.hold(instance)
        self.apply(instance, life.Launched(process.main_pid))

    def hold(self, instance: Instance) -> None:
        """Watch for the end of its process; one that was told before counts."""
        process = instance.process
        if process is None:
            return
        process.watch(lambda: self._pidfd_ended(instance, process.pid))
        self.tools.sampler.watch(
            instance.name,
            pid=process.pid,
            main_pid=process.main_pid,
            cgroup=process.cgroup,
        )
        self.tools.sampler.limit(instance.name, instance.enforced)
        self.tools.oom.begin(instance)
        if (instance.name, process.pid) in self._exits:
            self._begin_end(instance, process.pid)

    def on_exit(self, message: keeperwire.Exit) -> None:
        """Take the keeper's word that a process has ended."""
        instance = self.registry.instances.get(message.name)
        if instance is None or (
            instance.process is None and instance.life.process is not life.Process.LAUNCHING
        ):
            self.tools.keeper.send(keeperwire.Ack(message.name, message.pid))
            return
        self._exits[message.name, message.pid] = message
        if instance.process is not None and instance.process.pid == message.pid:
            self._begin_end(instance, message.pid)

    def _pidfd_ended(self, instance: Instance, pid: int) -> None:
        # The status comes by the keeper; usually it is already under way.
        asyncio.get_running_loop().call_later(STATUS_SECONDS, self._begin_end, instance, pid)

    def _begin_end(self, instance: Instance, pid: int) -> None:
        process = instance.process
        if process is None or process.pid != pid or process.is_ending:
            return
        process.is_ending = True
        process.unwatch()
        tasks.spawn(self._finish(instance, pid), name=f"end of {instance.name}")

    async def _finish(self, instance: Instance, pid: int) -> None:
        process = instance.process
        if process is None:
            return
        told = self._exits.pop((instance.name, pid), None)
        await process.end_rest()
        self.tools.feeds.end_run(instance.name)
        tail: tuple[str, ...] = ()
        if instance.life.process is not life.Process.ENDING:
            tail = await self.tools.feeds.stderr_tail(instance.name)
        if not instance.spec.storage_persist:
            await self.tools.launcher.remove_data(instance)
        oom = self.tools.oom.end(instance)
        instance.process = None
        self.tools.sampler.unwatch(instance.name)
        process.close()
        status = told.status if told else None
        at = told.time if told and told.time else wall()
        is_sandbox = process.blob.isolation == Isolation.SANDBOX
        self.apply(instance, exited(status, at, tail, oom, is_sandbox=is_sandbox))
        self.tools.keeper.send(keeperwire.Ack(instance.name, pid))
        self._rest(instance)

    def _rest(self, instance: Instance) -> None:
        """Without a process: let its output run out, and forget it where its service is gone."""
        if instance.life.process is life.Process.NONE:
            self.tools.feeds.run_out(instance.name)
            if instance.service not in self.registry.config.services:
                self.forget(instance)


def exited(
    status: int | None,
    at: float,
    tail: tuple[str, ...],
    oom: OomKill | None = None,
    *,
    is_sandbox: bool = False,
) -> life.Exited:
    """Put the end of a process into the lifecycle's words; `oom`: kills seen just before."""
    code, signal = keeperwire.exit_parts(status)
    plain = life.exit_why(life.Exited(code=code, signal=signal, time=at))
    why = msgspec.structs.replace(plain, stderr_tail=tail)
    if is_sandbox and code and (summary := gvisor.exit_summary(code)):
        why = msgspec.structs.replace(why, summary=summary)
    # A shell whose last command was killed says so by its status.
    is_killed = signal == "SIGKILL" or code == 128 + 9 or (code is None and not signal)
    if oom is not None and is_killed:
        why = msgspec.structs.replace(why, summary=oom.summary())
    return life.Exited(code=code, signal=signal, time=at, why=why)


_WOKEN = frozenset({State.STOPPED, State.ASLEEP, State.DRAINING})


def _sentence(instance: Instance, before: life.Life) -> str:
    """Say what a change of state means."""
    new, why, old = instance.life, instance.life.why, before.state
    reason = f": {why.summary}" if why is not None else ""
    match new.state:
        case State.STARTING | State.HEALTHY | State.DEGRADED if new.is_wake and old in _WOKEN:
            is_stopped = before.desired is Desired.STOPPED
            advice = ' (with wake = "never" it stays stopped)' if is_stopped else ""
            return f"{instance.name} is woken by a request{advice}"
        case State.STARTING:
            again = "starts again" if old is not State.STOPPED and why else "is starting"
            return f"{instance.name} {again}{reason}"
        case State.BACKOFF:
            seconds = max(0.0, new.until - time.monotonic())
            return f"{instance.name} starts again in {seconds:.1f} s{reason}"
        case State.DRAINING:
            return f"{instance.name} finishes its requests"
        case State.ASLEEP:
            return f"{instance.name} is asleep"
        case _:
            return f"{instance.name} is {new.state.value}{reason}"
