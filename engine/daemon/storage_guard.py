"""What an instance may store: told when it comes near its quota, and acted on beyond it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.core import life
from engine.core.errors import FeatureMissing
from engine.core.spec import StorageAction
from engine.core.storage import StorageLevel, level_of, seconds_until_next, sentence
from engine.core.wire import Desired, EventKind
from engine.daemon import tasks
from engine.daemon.quotas import keep_quota
from engine.runtime import readonly

if TYPE_CHECKING:
    from pathlib import Path

    from engine.daemon.instance import Instance
    from engine.daemon.supervisor import Supervisor

_MIB = 2**20
_LEVELS = {
    StorageLevel.FREE: "info",
    StorageLevel.NEAR: "warning",
    StorageLevel.OVER: "error",
}


def is_stopped_for_storage(instance: Instance) -> bool:
    """Tell whether it is to stay stopped until it stores less, whoever asks for it."""
    spec, is_over = instance.spec, instance.storage_level is StorageLevel.OVER
    return bool(spec.storage_quota_mb) and spec.storage_action is StorageAction.STOP and is_over


class StorageGuard:
    """Judges each measurement, and keeps to `storage_action`."""

    def __init__(self, supervisor: Supervisor, data_dir: Path) -> None:
        """Take who runs the instances, and where their folders are."""
        self._supervisor = supervisor
        self._data_dir = data_dir
        self._limits: dict[str, int] = {}
        """Hard quotas in bytes, as they were last set; by instance."""

    def rest_seconds(self, instance: Instance, walk_seconds: float) -> float:
        """Say when its folder is to be measured again."""
        spec = instance.spec
        is_strict = spec.storage_action is not StorageAction.WARN
        is_close = instance.storage_level is not StorageLevel.FREE
        return seconds_until_next(
            walk_seconds,
            # One that was stopped for it may be asked for again as soon as there is room.
            is_running=instance.is_running or is_stopped_for_storage(instance),
            is_watchful=bool(spec.storage_quota_mb) and (is_strict or is_close),
        )

    def judge(self, instance: Instance, used: int) -> None:
        """Take a measurement."""
        before, quota = instance.storage_level, instance.spec.storage_quota_mb * _MIB
        level = instance.storage_level = level_of(used, quota, before)
        if level is not before:
            self._note(instance, sentence(instance.name, used, quota, level), _LEVELS[level])
            self._supervisor.save(instance)
        self._act(instance, level)
        self._limit(instance, quota)

    def _limit(self, instance: Instance, quota: int) -> None:
        """Follow the configuration while it runs; a launch sets its own."""
        wanted = quota if instance.spec.storage_action is StorageAction.HARD else 0
        before = self._limits.get(instance.name)
        self._limits[instance.name] = wanted
        if instance.is_running and before is not None and before != wanted:
            tasks.spawn(self._set_limit(instance, wanted), name=f"quota of {instance.name}")

    async def _set_limit(self, instance: Instance, wanted: int) -> None:
        folder = str(self._data_dir / instance.service / instance.id)
        try:
            await asyncio.to_thread(keep_quota, instance.spec, folder, is_required=True)
        except FeatureMissing as error:
            self._note(instance, f"{instance.name}: {error}", "error")
            return
        said = f"{wanted / _MIB:.0f} MiB" if wanted else "as much as there is room for"
        self._note(instance, f"{instance.name} can store {said}", "info")

    def _act(self, instance: Instance, level: StorageLevel) -> None:
        is_over, action = level is StorageLevel.OVER, instance.spec.storage_action
        if not instance.is_running:
            return
        if is_over and action is StorageAction.STOP:
            if instance.life.desired is not Desired.STOPPED:
                text = f"{instance.name} is stopped: it stores more than its quota"
                self._note(instance, text, "error", f"ten stop {instance.name}")
                self._supervisor.apply(instance, life.Stop())
            return
        is_wanted = is_over and action is StorageAction.READONLY
        is_readonly = instance.readonly_run == instance.generation
        if is_wanted is not is_readonly:
            instance.readonly_run = instance.generation if is_wanted else 0
            self._supervisor.save(instance)
            tasks.spawn(self._change(instance, is_wanted), name=f"storage of {instance.name}")

    async def _change(self, instance: Instance, is_readonly: bool) -> None:
        process = instance.process
        if process is None:
            return
        folder = str(self._data_dir / instance.service / instance.id)
        try:
            done = await asyncio.to_thread(
                readonly.change, process.pid, folder, is_readonly=is_readonly
            )
        except OSError as error:
            if instance.process is process:
                word = "read-only" if is_readonly else "writable again"
                text = f"{instance.name}: its folder cannot be made {word}: {error.strerror}"
                self._note(instance, text, "error")
            return
        said = {
            "ro": "can only read its folder, until it stores less",
            "covered": "can only read its folder, until it stores less; what it has open for "
            "writing it can still write",
            "rw": "can write its folder again",
        }[done]
        level = "warning" if is_readonly else "info"
        self._note(instance, f"{instance.name} {said}", level)

    def _note(self, instance: Instance, text: str, level: str, command: str = "") -> None:
        self._supervisor.tools.journal.add(
            EventKind.STATE, text, level=level, instance=instance.name, command=command
        )
