"""The steps that give an instance a network of its own, for every kind of isolation that can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runtime.steps import EnterNetwork, RaiseLoopback

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step


def unshared(what: Launchable) -> list[str]:
    """Name the namespace to leave for a new one; one made before is entered instead."""
    return ["net"] if what.network.is_own and what.way is None else []


def network_steps(what: Launchable) -> list[Step]:
    """Plan the network, before anything is mounted: it is set up through the host's /proc."""
    if not what.network.is_own:
        return []
    return [*([EnterNetwork(what.way.netns)] if what.way else []), RaiseLoopback(what.port)]
