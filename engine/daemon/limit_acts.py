"""Limits of one instance, looked at and set while it runs; kept over those of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import Refused
from engine.core.limits import (
    KEYS,
    BadLimit,
    LimitsSpec,
    asked,
    changed,
    shown,
    size_text,
    with_texts,
)
from engine.core.wire import EventKind
from engine.core.wire_limits import LimitsView, LimitView
from engine.kernel.controllers import survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor


class LimitActs:
    """What `ten set` does."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Take who runs the instances."""
        self._supervisor = supervisor
        self._registry = supervisor.registry

    def view(self, name: str) -> LimitsView:
        """See `Control.limits`."""
        return _view(self._registry.get(name))

    async def set(self, name: str, texts: Mapping[str, str], *, actor: str) -> LimitsView:
        """See `Control.set_limits`."""
        instance = self._registry.get(name)
        async with instance.limiting:
            kept = {**instance.set_limits, **texts}
            return await self._put(instance, {key: kept[key] for key in kept if kept[key]}, actor)

    async def reset(self, name: str, *, actor: str) -> LimitsView:
        """See `Control.reset_limits`."""
        instance = self._registry.get(name)
        async with instance.limiting:
            return await self._put(instance, {}, actor)

    async def _put(self, instance: Instance, texts: dict[str, str], actor: str) -> LimitsView:
        """Bring it to other limits, or leave everything as it was."""
        old_texts, old = instance.set_limits, instance.limits
        new = _read(instance, texts)
        _check_host(old, new)
        notes = _notes(instance, old, new)
        instance.set_limits = texts
        failures = await self._supervisor.tools.limiter.write(instance)
        keys = [key for key in KEYS if getattr(old, key) != getattr(new, key)]
        refused = [failure for failure in failures if failure.key in keys]
        if refused:
            instance.set_limits = old_texts
            await self._supervisor.tools.limiter.write(instance)
            raise Refused(str(refused[0]), hint="nothing was changed")
        if texts != old_texts:
            self._keep(instance, old, old_texts, actor)
        return _view(instance, notes)

    def _keep(
        self, instance: Instance, old: LimitsSpec, old_texts: dict[str, str], actor: str
    ) -> None:
        self._supervisor.save(instance)
        new = instance.set_limits
        words = [f"{key}={new.get(key, '')}" for key in KEYS if new.get(key) != old_texts.get(key)]
        quoted = [f'"{word}"' if " " in word else word for word in words]
        what = changed(old, instance.limits) or "as before"
        self._supervisor.tools.journal.add(
            EventKind.ACTION,
            f"{instance.name} is limited anew by {actor}: {what}",
            instance=instance.name,
            actor=actor,
            command=" ".join(["ten set", instance.name, *quoted]),
        )
        self._supervisor.tell(instance)


def _read(instance: Instance, texts: dict[str, str]) -> LimitsSpec:
    try:
        return with_texts(instance.spec.all_limits, texts)
    except BadLimit as error:
        raise Refused(str(error)) from error


def _check_host(old: LimitsSpec, new: LimitsSpec) -> None:
    """Refuse a new limit that this host lacks the controller for."""
    missing = survey().missing
    for key in asked(new):
        if getattr(old, key) != getattr(new, key) and KEYS[key].controller in missing:
            reason, fix = missing[KEYS[key].controller]
            message = f"{key} cannot be kept here: {reason}"
            raise Refused(message, hint=fix)


def _notes(instance: Instance, old: LimitsSpec, new: LimitsSpec) -> tuple[str, ...]:
    """Say where a limit is below what is used already."""
    process = instance.process
    if process is None or process.cgroup is None:
        return ()
    notes = []
    memory, pids = process.cgroup.memory_current(), process.cgroup.pids_current()
    limit = new.memory_max
    if memory and limit != old.memory_max and limit is not None and 0 < limit < memory:
        notes.append(
            f"it used {size_text(memory // 2**20 * 2**20)} when memory_max became "
            f"{size_text(limit)}: the kernel takes the rest back, or kills it"
        )
    most = new.pids_max
    if pids and most != old.pids_max and most is not None and 0 < most < pids:
        notes.append(
            f"it has {pids} processes and threads: no new one begins while there are {most} or more"
        )
    return tuple(notes)


def _view(instance: Instance, notes: tuple[str, ...] = ()) -> LimitsView:
    limits, said = instance.limits, instance.spec.all_limits
    found = []
    for key, it in KEYS.items():
        origin = "default" if getattr(said, key) is None else "config"
        found.append(
            LimitView(
                key=key,
                value=shown(key, getattr(limits, key)),
                origin="set" if key in instance.set_limits else origin,
                kernel=_kernel(instance, it.file),
            )
        )
    return LimitsView(name=instance.name, limits=tuple(found), notes=notes)


def _kernel(instance: Instance, file: str) -> str:
    if instance.process is None or instance.process.cgroup is None:
        return ""
    try:
        return Path(instance.process.cgroup.path, file).read_text().strip().replace("\n", "; ")
    except OSError:
        return ""
