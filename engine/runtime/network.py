"""The steps that give an instance a network of its own, for every kind of isolation that can."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.kernel import syscalls
from engine.runtime.steps import EnterNetwork, MakeReadOnly, MountStep, RaiseLoopback

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step


def unshared(what: Launchable) -> list[str]:
    """Name the namespace to leave for a new one; one made before is entered instead."""
    return ["net"] if what.network.is_own and what.way is None else []


def entered(what: Launchable) -> list[Step]:
    """Enter the network made before, as PID 1: the keeper makes sockets where that is."""
    return [EnterNetwork(what.way.netns)] if what.way else []


def network_steps(what: Launchable) -> list[Step]:
    """Plan the network, before anything is mounted: it is set up through the host's /proc."""
    return [RaiseLoopback(what.port)] if what.network.is_own else []


def resolver_steps(what: Launchable) -> list[Step]:
    """Let resolvers be seen that can be reached, before /run is covered, where the file may lie."""
    if what.way is None or not what.way.resolv_conf:
        return []
    target = os.path.realpath("/etc/resolv.conf")
    bound = MountStep(what.way.resolv_conf, target, flags=syscalls.MS_BIND)
    return [bound, MakeReadOnly((target,))]
