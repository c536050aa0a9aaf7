"""Stops instances where they are, gives their memory back, and lets them go on at once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from engine.core.doorwire import RouteState
from engine.daemon import tasks
from engine.daemon.routes import ROUTE_STATES, route_entry

if TYPE_CHECKING:
    from engine.daemon.door_link import Doors
    from engine.daemon.instance import Instance
    from engine.kernel.cgroup import Cgroup

log = logging.getLogger(__name__)

STILL_SECONDS = 5.0
"""How long the kernel may take to stop all processes of an instance."""

STEP_BYTES = 4 * 2**20
"""Memory is given back in pieces of this size, so that one that is thawed soon loses few."""

LEAST_BYTES = 2**18
"""A step that gets less than this was the last."""


class Freezer:
    """The freezer of every instance; a thaw waits for nothing that a freeze has begun."""

    def __init__(self, doors: Doors) -> None:
        """Take who is to know at once of one that is thawed."""
        self._doors = doors
        self._settling: dict[str, asyncio.Task[None]] = {}
        # One at a time: many that fall quiet together must not keep the host busy with swapping.
        self._turn = asyncio.Semaphore(1)

    def freeze(self, instance: Instance) -> None:
        """Stop its processes, and begin to give back their memory."""
        cgroup = _cgroup(instance)
        if cgroup is None:
            return
        try:
            cgroup.freeze(is_frozen=True)
        except OSError as error:
            log.error("%s is not frozen: %s", instance.name, error)
            return
        work = self._settle(instance.name, cgroup)
        self._settling[instance.name] = tasks.spawn(work, name=f"freeze {instance.name}")

    def thaw(self, instance: Instance) -> None:
        """Let its processes go on, where they were stopped; the doors know if it is to be used."""
        task = self._settling.pop(instance.name, None)
        if task is not None:
            task.cancel()
            _let_go(instance)
        if ROUTE_STATES[instance.life.state] is RouteState.UP:
            self._doors.show(instance.name, route_entry(instance))

    async def _settle(self, name: str, cgroup: Cgroup) -> None:
        if not await _stands_still(cgroup):
            log.warning("%s: not all its processes could be stopped", name)
            return
        if not psutil.swap_memory().free or not cgroup.may_swap():
            return  # only files in memory could be given back, which costs a read for each
        async with self._turn:
            with suppress(FileNotFoundError):
                await _give_back(cgroup)


def is_freezing(instance: Instance) -> bool:
    """Tell whether the processes of an instance are told to stand still."""
    cgroup = _cgroup(instance)
    return cgroup is not None and cgroup.is_freezing()


def release(instance: Instance) -> None:
    """Let the processes of an instance go on, whoever stopped them."""
    if is_freezing(instance):
        _let_go(instance)


def _let_go(instance: Instance) -> None:
    cgroup = _cgroup(instance)
    if cgroup is not None:
        with suppress(OSError):  # it is gone
            cgroup.freeze(is_frozen=False)


def _cgroup(instance: Instance) -> Cgroup | None:
    return instance.process.cgroup if instance.process is not None else None


async def _stands_still(cgroup: Cgroup) -> bool:
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + STILL_SECONDS, 0.001
    while not cgroup.is_frozen():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)
    return True


async def _give_back(cgroup: Cgroup) -> None:
    """Take memory in steps, in a thread, until there is no more to be had."""
    left = cgroup.memory_current() or 0
    while left > LEAST_BYTES:
        await asyncio.to_thread(cgroup.reclaim, STEP_BYTES)
        before, left = left, cgroup.memory_current() or 0
        if before - left < LEAST_BYTES:
            return
