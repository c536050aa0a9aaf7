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

from engine.core import keeperwire, life
from engine.core.lifecycle import step, wake_refusal
from engine.core.spec import Isolation
from engine.core.wire import EventKind, InstanceChanged, InstanceGone, State
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.daemon.freezing import Freezer
from engine.daemon.launcher import why_of
from engine.daemon.owners import foreign_listener
from engine.daemon.said import LEVELS, exited, sentence
from engine.daemon.store import StoreError

if TYPE_CHECKING:
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

THAWED_SECONDS = 0.05
"""So late may a table come that says what the doors know already."""

WRITTEN_SECONDS = 0.005
"""So late is a thaw written down and told."""

STATUS_SECONDS = 0.25
"""How long the keeper's word may come after the pidfd's."""


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
        self.freezer = Freezer(tools.doors)
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
        is_thaw = old.state is State.FROZEN and new.state is State.HEALTHY
        if old.state is State.FROZEN and new.state is not State.FROZEN:
            # Ahead of its turn: a request waits for it, and no order hangs on it.
            self.freezer.thaw(instance)
            instance.active_since = time.monotonic()
        if new.state is not old.state:
            instance.state_since = wall()
        if is_thaw:
            # The processors are the request's first. What is not written by the end of this
            # engine, the next one sees from the freezer.
            later = partial(self._write_down, instance, old)
            asyncio.get_running_loop().call_later(WRITTEN_SECONDS, later)
        else:
            self._write_down(instance, old)
        if new.state is not old.state or new.is_held is not old.is_held:
            self.tools.routes.touch(within=THAWED_SECONDS if is_thaw else 0.0)
        if old.awaits_drain and not new.awaits_drain:
            self.tools.doors.forget_drain(instance.name)
        for command in commands:
            self._do(instance, command)
        instance.notify()

    def _write_down(self, instance: Instance, old: life.Life) -> None:
        """Keep and tell what an instance has become, before anybody outside may see it.

        So no order is ever forgotten.
        """
        new = instance.life
        if self.registry.instances.get(instance.name) is not instance:
            return  # forgotten meanwhile
        if msgspec.structs.replace(old, reason=new.reason) != new:
            self.save(instance)
            self.tell(instance)
        if new.state is not old.state:
            self._announce(instance, old)

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

    def weigh(self, instance: Instance, weight: int) -> None:
        """Give an instance another share of the traffic; what undo knew of is gone."""
        if instance.weight != weight:
            instance.weight = weight
            instance.weight_before = None
            self.save(instance)
            self.tools.routes.touch()
            self.tell(instance)

    def forget(self, instance: Instance) -> None:
        """Know it no longer; it has no process."""
        self.registry.instances.pop(instance.name, None)
        try:
            self.tools.store.forget_instance(instance.name)
        except StoreError as error:
            log.error("%s is not forgotten: %s", instance.name, error)
        self.tools.launcher.plans.forget(instance.name)
        self.tools.feeds.access.renew(instance.name)
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
            sentence(instance, before),
            level=LEVELS.get(new.state, "info"),
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
                pass  # the table follows the state: see `enter`
            case life.AwaitDrain():
                self._await_drain(instance)
            case life.ArmTimer() | life.CancelTimer():
                self._set_timer(instance, command)
            case life.Watch() | life.Unwatch():
                self._probe(instance, command)
            case life.Freeze():
                self.freezer.freeze(instance)
            case life.Thaw():
                pass  # done: see `enter`
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
