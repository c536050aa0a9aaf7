"""Puts limits into force: at the launch, and while an instance runs.

A limit that the host lacks the controller for was judged when the configuration was read (see
`settings.require_limits`): what comes this far without one is told and goes on. A limit that the
kernel refuses for its value (a device or a CPU that is not there) fails the launch.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.core.errors import LaunchFailed
from engine.core.limits import KEYS, asked, changed, shown
from engine.core.wire import EventKind
from engine.daemon import tasks
from engine.daemon.instance import Enforced
from engine.kernel.cgroup_limits import Failure, apply_limits
from engine.kernel.controllers import survey

if TYPE_CHECKING:
    from engine.core.limits import LimitsSpec
    from engine.daemon.instance import Instance
    from engine.daemon.journal import Journal
    from engine.daemon.registry import Registry
    from engine.daemon.sampler import Sampler
    from engine.kernel.cgroup import Cgroup

log = logging.getLogger(__name__)


class Limiter:
    """Writes limits, and says which do not hold."""

    def __init__(self, journal: Journal, registry: Registry, sampler: Sampler) -> None:
        """Take where to tell of what does not hold, and of what does."""
        self._journal = journal
        self._registry = registry
        self._sampler = sampler

    def launch(self, instance: Instance, cgroup: Cgroup | None) -> None:
        """Limit a cgroup in which nothing runs yet.

        Raises:
            LaunchFailed: The kernel refuses a value.
        """
        limits = instance.limits
        failures = _missing_all(limits) if cgroup is None else apply_limits(cgroup.path, limits)
        for failure in failures:
            if (
                not failure.is_missing
                and self._registry.config.settings.require_limits is not False
            ):
                raise LaunchFailed(
                    str(failure),
                    step=f"limit {failure.key}",
                    errno=failure.errno,
                    path=failure.path,
                )
        self._tell(instance, limits, failures)
        self._note(instance, limits, failures)

    def renew_soon(self, instance: Instance) -> None:
        """Bring a running instance to its limits, where they were changed since it began."""
        process = instance.process
        if process is None or process.cgroup is None:
            return
        if instance.enforced.limits != instance.limits:
            tasks.spawn(self.renew(instance), name=f"limit {instance.name}")

    async def renew(self, instance: Instance) -> None:
        """Bring a running instance to its limits, and tell what that changed."""
        async with instance.limiting:
            before = instance.enforced.limits
            failures = await self.write(instance)
            self._tell(instance, instance.limits, failures)
            self._announce(instance, before)

    async def write(self, instance: Instance) -> list[Failure]:
        """Bring a running instance to its limits; for who holds `limiting`.

        Returns: Those that do not hold; none where it does not run.
        """
        process, limits = instance.process, instance.limits
        if process is None or process.cgroup is None:
            return []
        # Below what is used, the kernel reclaims before it returns.
        failures = await asyncio.to_thread(apply_limits, process.cgroup.path, limits)
        if instance.process is not process or process.is_ending:
            return []  # its cgroup went while it was written
        self._note(instance, limits, failures)
        self._sampler.limit(instance.name, instance.enforced)
        return failures

    def _announce(self, instance: Instance, before: LimitsSpec | None) -> None:
        if before is not None and (changes := changed(before, instance.limits)):
            text = f"{instance.name} is limited anew, without a restart: {changes}"
            self._journal.add(EventKind.CONFIG, text, instance=instance.name)

    def _note(self, instance: Instance, limits: LimitsSpec, failures: list[Failure]) -> None:
        """Note what the kernel holds it to, for its graphs and for the next change."""
        failed = {failure.key for failure in failures}
        memory, cpu = limits.memory_max or 0, limits.cpu_max
        instance.enforced = Enforced(
            limits=limits,
            memory_bytes=max(0, memory) if "memory_max" not in failed else 0,
            cpu_cores=cpu.cores if cpu is not None and "cpu_max" not in failed else 0.0,
        )

    def _tell(self, instance: Instance, limits: LimitsSpec, failures: list[Failure]) -> None:
        for failure in failures:
            value = shown(failure.key, getattr(limits, failure.key))
            text = f"{instance.name}: {failure.key} = {value} is not enforced: {_reason(failure)}"
            self._journal.add(EventKind.STATE, text, level="warning", instance=instance.name)


def _missing_all(limits: LimitsSpec) -> list[Failure]:
    return [Failure(key, "", 0, is_missing=True) for key in asked(limits)]


def _reason(failure: Failure) -> str:
    if not failure.is_missing:
        return str(failure)
    found = survey().missing.get(KEYS[failure.key].controller)
    return found.reason if found else str(failure)
