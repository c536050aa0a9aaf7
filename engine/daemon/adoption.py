"""What an engine finds when it starts: what the keeper holds and what the database knows."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from engine.core import keeperwire, life
from engine.core.errors import TenError
from engine.core.keeperwire import read_blob
from engine.core.lifecycle import adopt
from engine.core.names import split_instance
from engine.core.reload import declared
from engine.core.spec import ServiceSpec
from engine.core.wire import Desired, EventKind
from engine.daemon.freezing import is_freezing, release
from engine.daemon.instance import Instance
from engine.daemon.packets import close_all
from engine.daemon.process import LiveProcess
from engine.daemon.registry import is_instance

if TYPE_CHECKING:
    from engine.core.spec import Config
    from engine.daemon.store import StoredInstance
    from engine.daemon.supervisor import Supervisor

log = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """A process the keeper holds, with its descriptors."""

    held: keeperwire.Held
    pidfd: int
    fifos: tuple[int, int]


class Adoption:
    """Collects what the keeper hands over and takes it up, all at once.

    The doors go on with the table of the engine before until everything is in: so no table ever
    leaves out an instance that runs.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        """Take who will run what is found."""
        self._supervisor = supervisor
        self._registry = supervisor.registry
        self._found: dict[str, Found] = {}
        self._fifos: list[str] = []

    def take_held(self, held: keeperwire.Held, fds: list[int]) -> None:
        """Note a process; its output is taken up at once."""
        if len(fds) != 3 or not is_instance(held.name):
            log.error("the keeper holds %s, of which nothing can be made", held.name)
            close_all(fds)
            return
        self._found[held.name] = Found(held, fds[0], (fds[1], fds[2]))

    def take_fifo(self, fifo: keeperwire.Fifo, fds: list[int]) -> None:
        """Note output that nobody writes any more but that may not be read out yet."""
        if len(fds) != 2 or not is_instance(fifo.name):
            close_all(fds)
            return
        self._supervisor.tools.feeds.attach(fifo.name, (fds[0], fds[1]))
        self._fifos.append(fifo.name)

    def run(self, *, is_fresh: bool) -> None:
        """Take everything up, then start what is declared and not known yet.

        Args:
            is_fresh: The keeper is a new one: not just the engine was started again.
        """
        config, store = self._registry.config, self._supervisor.tools.store
        kept = {each.name: each for each in store.instances()}
        for name in sorted(kept.keys() | self._found.keys()):
            self._take_up(name, kept.get(name), is_fresh=is_fresh)
        for name in self._fifos:
            if name not in self._found:
                self._supervisor.tools.feeds.run_out(name)
        self._start_declared(config, set(kept))
        self._renew()

    def _take_up(self, name: str, kept: StoredInstance | None, *, is_fresh: bool) -> None:
        found = self._found.get(name)
        spec = self._registry.config.services.get(split_instance(name)[0])
        if spec is None and found is None:
            self._supervisor.tools.store.forget_instance(name)
            return
        own = self._registry.own_spec(name, spec) if spec is not None else _gone(name)
        instance = Instance(name, own)
        if kept is not None:
            instance.restore(kept)
        self._registry.instances[name] = instance
        status = None if found is None else self._take_process(instance, found, kept)
        if instance.life.stands_still and not is_freezing(instance):
            # Thawed by the engine before, which did not come to write it down.
            instance.life = msgspec.structs.replace(instance.life, is_drained=False)
        policy = life.Policy.of(instance.spec, self._registry.config.settings)
        new, commands = adopt(
            instance.life,
            has_process=instance.process is not None,
            is_fresh=is_fresh,
            now=time.monotonic(),
            policy=policy,
        )
        if not new.stands_still:
            release(instance)  # the engine before may have died between the word and the deed
        self._supervisor.enter(instance, new, commands, is_adopted=True)
        if instance.process is not None and status is not None:
            self._supervisor.on_exit(status)
        if spec is None:
            self._supervisor.apply(instance, life.Stop())

    def _take_process(
        self, instance: Instance, found: Found, kept: StoredInstance | None
    ) -> keeperwire.Exit | None:
        """Give the instance its process, unless its end was already dealt with."""
        held, tools = found.held, self._supervisor.tools
        blob = read_blob(held.blob)
        tools.feeds.attach(instance.name, found.fifos)
        is_old = kept is not None and blob.generation < instance.generation
        is_done = kept is not None and instance.life.process is life.Process.NONE
        if held.exit is not None and (is_old or is_done):
            close_all([found.pidfd])
            tools.keeper.send(keeperwire.Ack(held.name, held.pid))
            return None
        instance.generation = max(instance.generation, blob.generation)
        cgroup = tools.launcher.find_cgroup(held.cgroup)
        instance.process = LiveProcess(
            (held.pid, held.main_pid), found.pidfd, blob, cgroup, held.start_ticks
        )
        self._supervisor.hold(instance)
        tools.limiter.renew_soon(instance)
        if held.exit is None:
            return None
        return keeperwire.Exit(held.name, held.pid, held.exit.status, held.exit.time)

    def _start_declared(self, config: Config, known: set[str]) -> None:
        for name in declared(config):
            if name not in known and name not in self._registry.instances:
                start(self._supervisor, name)

    def _renew(self) -> None:
        """Restart what runs on fields that were changed while no engine looked."""
        for instance in self._registry:
            # A digest that cannot be read is another version's: only a new start is sure.
            is_changed = instance.process and instance.digest != instance.wanted_digest
            if is_changed and instance.life.desired is Desired.RUNNING:
                self._supervisor.tools.journal.add(
                    EventKind.CONFIG,
                    f"{instance.name} is restarted: its configuration was changed",
                    instance=instance.name,
                    actor="config",
                    command=f"ten restart {instance.name}",
                )
                self._supervisor.apply(instance, life.Restart())


def start(supervisor: Supervisor, name: str) -> None:
    """Start a declared instance; a failure is noted and stops nothing else."""
    try:
        instance = supervisor.registry.ensure(name)
    except TenError as error:
        supervisor.tools.journal.add(
            EventKind.CONFIG, f"{name} is not started: {error}", level="error", instance=name
        )
        return
    supervisor.apply(instance, life.Start(life.By.CONFIG))


def _gone(name: str) -> ServiceSpec:
    """Stand in for a service that is configured no more, until its instance has stopped."""
    return ServiceSpec(name=split_instance(name)[0], command="")
