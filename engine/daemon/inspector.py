"""Answers `ten inspect`: the plan, the process, and where they differ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from engine.core.errors import NotFound, TenError
from engine.core.inspection import Inspection, Live, PlanFrom, StepFact
from engine.core.inspection import LimitFact as Limit
from engine.core.limits import KEYS, asked, file_texts
from engine.core.nearest import did_you_mean
from engine.core.plan_check import look, paths_of
from engine.daemon.plans import shown
from engine.kernel.inspection import read_live, read_places
from engine.kernel.syscalls import steps as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.inspection import Place
    from engine.core.limits import LimitsSpec
    from engine.daemon.instance import Instance
    from engine.daemon.launcher import Launcher
    from engine.daemon.registry import Registry

Steps = list[list[Any]]


class Inspector:
    """Looks at instances; changes nothing."""

    def __init__(self, registry: Registry, launcher: Launcher) -> None:
        """Take what is known of them and who launches them."""
        self._registry = registry
        self._launcher = launcher

    async def inspect(self, name: str) -> Inspection:
        """Look at one.

        Raises:
            NotFound: Not known; with the nearest name.
        """
        instance = self._find(name)
        process = instance.process
        isolation = process.blob.isolation if process else instance.spec.isolation.value
        found, steps, why = self._plan(instance)
        live: Live | None = None
        places: dict[str, Place] = {}
        if process is not None and process.is_alive():
            cgroup = process.cgroup.path if process.cgroup else ""
            live, places = await asyncio.to_thread(
                _read, (process.pid, process.main_pid), cgroup, isolation, steps
            )
            if not process.is_alive():
                live = None  # what was read may be of nobody, or of another
        facts = _facts(steps, live, places)
        limits = _limits(instance.limits, live)
        return Inspection(
            name=name,
            state=instance.life.state.value,
            isolation=isolation,
            plan_from=found,
            steps=facts or (StepFact(text=why, is_off=True),),
            environment=_names(steps),
            live=live,
            limits=limits,
            mismatches=tuple(_mismatches(facts, limits)),
        )

    def _find(self, name: str) -> Instance:
        try:
            return self._registry.get(name)
        except NotFound as error:
            advice = did_you_mean(name, self._registry.instances)
            if not advice:
                raise
            message = f"{error}; {advice}"
            raise NotFound(message, hint=error.hint) from error

    def _plan(self, instance: Instance) -> tuple[PlanFrom, Steps, str]:
        """Give the plan, and why there is none where there is none."""
        process = instance.process
        if process is not None:
            kept = self._launcher.plans.find(instance.name, process.blob.generation)
            if kept is not None:
                return PlanFrom.LAUNCH, kept, ""
        found = PlanFrom.CONFIGURATION if process is None else PlanFrom.REBUILT
        try:
            return found, shown(self._launcher.plan_again(instance)), ""
        except (TenError, OSError) as error:
            return found, [], f"no plan can be made: {error}"


def _read(
    pids: tuple[int, int], cgroup: str, isolation: str, steps: Steps
) -> tuple[Live | None, dict[str, Place]]:
    """Read all there is; nothing where the process ends meanwhile."""
    paths = {path for step in steps for path in paths_of(step)}
    try:
        live = read_live(*pids, cgroup=cgroup, isolation=isolation)
        return live, read_places(pids[1], sorted(paths))
    except OSError:
        return None, {}


def _facts(steps: Steps, live: Live | None, places: dict[str, Place]) -> tuple[StepFact, ...]:
    facts = []
    for step in steps:
        text = wire.describe(step)
        if live is None:
            facts.append(StepFact(text=text))
            continue
        seen = look(step, live, places)
        facts.append(StepFact(text=text, seen=seen.text, is_off=seen.is_off))
    return tuple(facts)


def _names(steps: Steps) -> tuple[str, ...]:
    """Name the variables the last step gives."""
    last: Sequence[Any] = steps[-1] if steps else ()
    return tuple(last[3]) if len(last) > 3 and last[0] == "exec" else ()


def _limits(limits: LimitsSpec, live: Live | None) -> tuple[Limit, ...]:
    texts = file_texts(limits)
    files = [KEYS[key].file for key in asked(limits) if KEYS[key].file in texts]
    found = live.limits if live else {}
    return tuple(Limit(file=each, wanted=texts[each], found=found.get(each, "")) for each in files)


def _mismatches(facts: Sequence[StepFact], limits: Sequence[Limit]) -> list[str]:
    lines = [f"{each.text}: {each.seen}" for each in facts if each.is_off]
    if not any(each.seen for each in facts):
        return lines  # nothing runs, so nothing is as it should not be
    for each in limits:
        if each.is_off:
            said = f"says {each.found}" if each.found else "is not there"
            lines.append(f"{each.file} = {each.wanted} is asked for: the file {said}")
    return lines
