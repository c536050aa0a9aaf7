"""The plan of each launch, kept beside its process in `run/plans`.

It survives the engine: what `ten inspect` shows is what was carried out, not what the
configuration of today would do. Values of the environment are not kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.kernel.syscalls.process import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from engine.runtime.plan import Plan

log = logging.getLogger(__name__)


class KeptPlan(msgspec.Struct, frozen=True):
    """A plan as it was carried out.

    Attributes:
        generation: Of the launch.
        steps: As they went to the keeper, with names only of the environment.
    """

    generation: int
    steps: list[list[Any]]


class Plans:
    """One file an instance: the plan of its last launch."""

    def __init__(self, data_dir: Path) -> None:
        """Take where the engine's files are."""
        self._folder = data_dir / "run" / "plans"

    def keep(self, name: str, generation: int, plan: Plan) -> None:
        """Write it down before it is carried out; where the disk is full, it is not kept."""
        kept = KeptPlan(generation, shown(plan))
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._path(name), msgspec.json.encode(kept).decode())
        except OSError as error:
            log.warning("the plan of %s is not kept: %s", name, error)

    def find(self, name: str, generation: int) -> list[list[Any]] | None:
        """Give the steps of a launch; None where they were not kept."""
        try:
            with open(self._path(name), "rb") as file:  # noqa: PTH123 - a string is at hand
                kept = msgspec.json.decode(file.read(), type=KeptPlan)
        except (OSError, msgspec.DecodeError):
            return None
        return kept.steps if kept.generation == generation else None

    def forget(self, name: str) -> None:
        """Remove it: the instance is known no more."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(name))  # noqa: PTH108 - a string is at hand

    def _path(self, name: str) -> str:
        return str(self._folder / f"{name}.json")


def shown(plan: Plan) -> list[list[Any]]:
    """Give a plan's steps without what may be secret or is of no use to a reader."""
    steps = plan.to_wire()
    for step in steps:
        if step[0] == "exec" and isinstance(step[3], dict):
            step[3] = sorted(step[3])
        elif step[0] in ("seccomp", "write"):
            step[2] = ""
    return steps
