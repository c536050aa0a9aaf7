"""The configuration file: read again when it changes, applied where it is right."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import msgspec

from engine.core import life
from engine.core.errors import SpecError
from engine.core.reload import Change, change_between, unified
from engine.core.spec import Restart
from engine.core.wire import ConfigChanged, ConfigView, Desired, EventKind, ServiceView, State
from engine.daemon import tasks
from engine.daemon.adoption import start
from engine.daemon.clock import wall
from engine.daemon.sharing import share_socket
from engine.kernel.leases import wait_until_written

if TYPE_CHECKING:
    from engine.core.spec import Config
    from engine.daemon.force import Force
    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor

RESTARTS_AT_ONCE = 4
"""Instances that a change restarts at the same time."""

WRITER_SECONDS = 10.0
"""How long a writer is waited for; one that keeps the file open longer is not."""

MAX_PENDING_BYTES = 256 * 1024
"""Of a refused file, so much is shown."""


class Reloader:
    """Keeps the configuration in force and what is to be said about the file."""

    def __init__(self, supervisor: Supervisor, force: Force) -> None:
        """Take who runs the instances, and what reads the file."""
        self._supervisor = supervisor
        self._force = force
        self._read = force.config
        self._registry = supervisor.registry
        self._busy = asyncio.Lock()
        self._slots = asyncio.Semaphore(RESTARTS_AT_ONCE)
        self._view = _view_of(self._registry.config)

    def view(self) -> ConfigView:
        """Describe the configuration in force and the one refused."""
        return self._view

    def services(self) -> list[ServiceView]:
        """Describe the services in force, by name."""
        return [
            ServiceView(
                name=spec.name,
                command=" ".join([spec.command, *(spec.args or ())]),
                isolation=spec.isolation.value,
                health=spec.health or "",
                idle_timeout_seconds=spec.idle_timeout_seconds,
                max_instances=spec.max_instances,
                scale=spec.scale.text if spec.scale else "",
            )
            for _, spec in sorted(self._registry.config.services.items())
        ]

    def begin(self) -> None:
        """Write down what is to be said about the file at the start."""
        if self._force.error is not None:
            self._refuse(self._force.error, _read_some(self._read.path))
        for warning in self._registry.config.warnings:
            self._note(warning, level="warning", actor="config")

    def share(self) -> None:
        """Let the group that the configuration names reach the API's socket."""
        settings = self._registry.config.settings
        if failed := share_socket(settings.data_dir, settings.admin_group):
            self._note(failed, level="warning", actor="config")

    async def reload(self, *, actor: str) -> ConfigView:
        """Read the file now; a refused one changes nothing and is in the view."""
        async with self._busy:
            path = self._registry.config.path
            # Half of a file may well be right as it stands.
            await asyncio.to_thread(wait_until_written, path, WRITER_SECONDS)
            try:
                config = await asyncio.to_thread(self._force.read)
                self._refuse_emptied(config)
            except SpecError as error:
                self._refuse(error, await asyncio.to_thread(_read_some, path))
            else:
                self._accept(config, actor)
            return self._view

    def _refuse_emptied(self, config: Config) -> None:
        """Take a file that has just lost all its text for one that is being written.

        Raises:
            SpecError: It has; who means it removes the services by name or stops the engine.
        """
        if not config.source.strip() and self._registry.config.services:
            message = "Is empty: it may be on its way to be written"
            raise SpecError(message, path=config.path, verb="read")

    def _refuse(self, error: SpecError, pending: str) -> None:
        if (self._view.error, self._view.pending) == (str(error), pending):
            return
        force = self._registry.config
        self._view = msgspec.structs.replace(
            self._view,
            error=str(error),
            error_line=error.line,
            error_column=error.column,
            error_key=error.key,
            pending=pending,
            diff=unified(force.source, pending),
        )
        place = f" (line {error.line})" if error.line else ""
        self._note(f"the configuration is refused{place}: {error}", level="error", actor="config")
        self._publish()

    def _accept(self, config: Config, actor: str) -> None:
        old, was_read = self._registry.config, self._read
        if config.source == was_read.source:
            if self._view.error:
                self._view = _view_of(old)
                self._note("the configuration on disk is the one in force again", actor=actor)
                self._publish()
            return
        recorded = self._registry.recorded  # a version keeps what was recorded for it
        running = {
            each.name: "" if each.name in recorded else _digest_of(each) for each in self._registry
        }
        change = change_between(was_read, config, running)
        self._read = config
        self._force.remember(config)
        self._registry.configure(self._force.applied(config))
        self._view = msgspec.structs.replace(
            _view_of(config),
            diff=unified(old.source, config.source),
            restarted=change.restart,
            warnings=(*config.warnings, *change.warnings),
        )
        self._note(_summary(change), actor=actor)
        for warning in self._view.warnings:
            self._note(warning, level="warning", actor="config")
        self._apply(change, old)
        self._supervisor.tools.launcher.ways.renew()
        self.share()
        self._publish()

    def _apply(self, change: Change, old: Config) -> None:
        for name in change.stop:
            self._stop(self._registry.get(name))
        for name in change.start:  # one that is just being stopped turns round
            start(self._supervisor, name)
        for instance in self._registry:
            if _is_to_run_now(instance, old):
                start(self._supervisor, instance.name)
        for name in change.restart:
            tasks.spawn(self._restart(self._registry.get(name)), name=f"renew {name}")
        for instance in self._registry:
            if instance.life.is_watched and self._is_probed_otherwise(instance, old):
                self._supervisor.watch(instance)
            self._supervisor.tools.feeds.limit(instance.name)
            self._supervisor.tools.limiter.renew_soon(instance)
            self._supervisor.tell(instance)
        self._supervisor.tools.routes.touch()

    def _stop(self, instance: Instance) -> None:
        self._note(
            f"{instance.name} is stopped: its service is configured no more",
            actor="config",
            instance=instance.name,
            command=f"ten stop {instance.name}",
        )
        self._supervisor.apply(instance, life.Stop())
        if instance.life.process is life.Process.NONE:
            self._supervisor.forget(instance)

    async def _restart(self, instance: Instance) -> None:
        async with self._slots:
            before = instance.generation
            self._note(
                f"{instance.name} is restarted: its configuration was changed",
                actor="config",
                instance=instance.name,
                command=f"ten restart {instance.name}",
            )
            self._supervisor.apply(instance, life.Restart())
            await instance.until(
                lambda: (
                    (instance.generation > before and instance.life.state is not State.STARTING)
                    or instance.life.state in {State.STOPPED, State.FAILED}
                )
            )

    def _is_probed_otherwise(self, instance: Instance, old: Config) -> bool:
        before, now = old.services.get(instance.service), self._registry.config
        pause = now.settings.health_check_interval_seconds
        return (
            before is None
            or before.health != instance.spec.health
            or old.settings.health_check_interval_seconds != pause
        )

    def _publish(self) -> None:
        update = ConfigChanged(config=self._view, services=self.services())
        self._supervisor.tools.broadcaster.publish(update)

    def _note(
        self,
        text: str,
        *,
        actor: str,
        level: str = "info",
        instance: str = "",
        command: str = "",
    ) -> None:
        self._supervisor.tools.journal.add(
            EventKind.CONFIG, text, level=level, instance=instance, actor=actor, command=command
        )


def _digest_of(instance: Instance) -> str:
    """Give what an instance runs on, or last tried to run on; "" where that does not matter."""
    if instance.life.state in {State.FAILED, State.BACKOFF}:
        return instance.wanted_digest
    return instance.digest


def _is_to_run_now(instance: Instance, old: Config) -> bool:
    """Tell whether it ended by itself and stayed down by a policy that has just changed."""
    before = old.services.get(instance.service)
    if before is None or before.restart is instance.spec.restart:
        return False
    state, desired = instance.life.state, instance.life.desired
    is_down = state in {State.FAILED, State.STOPPED} and desired is Desired.RUNNING
    why = instance.life.why
    has_failed = why is not None and not (why.exit_code == 0 and not why.signal)
    match instance.spec.restart:
        case Restart.ALWAYS:
            return is_down
        case Restart.ON_FAILURE:
            return is_down and has_failed
        case Restart.NEVER:
            return False


def _view_of(config: Config) -> ConfigView:
    return ConfigView(
        path=config.path, text=config.source, loaded_at=wall(), warnings=config.warnings
    )


def _summary(change: Change) -> str:
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("starts", change.start),
            ("stops", change.stop),
            ("restarts", change.restart),
        )
        if names
    ]
    return "the configuration was applied: " + ("; ".join(parts) or "no instance is touched")


def _read_some(path: str) -> str:
    """Read what can be shown of a refused file, without waiting where it is a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - of a descriptor
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            return file.read(MAX_PENDING_BYTES).decode(errors="replace")
    except OSError:
        return ""
