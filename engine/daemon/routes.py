"""The table the doors route by, made of the instances' lives."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.core.doorwire import (
    RouteInstance,
    RouteRules,
    RouteService,
    RouteState,
    RouteTable,
    WakeRule,
)
from engine.core.wire import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.core.life import Life
    from engine.core.spec import Config
    from engine.daemon.door_link import Doors
    from engine.daemon.instance import Instance

ROUTE_STATES = {
    State.STARTING: RouteState.STARTING,
    State.HEALTHY: RouteState.UP,
    State.DEGRADED: RouteState.UP,
    State.UNHEALTHY: RouteState.STARTING,
    # A request asks for it, and learns from the engine whether waiting is worth while.
    State.BACKOFF: RouteState.ASLEEP,
    State.FAILED: RouteState.FAILED,
    State.DRAINING: RouteState.DRAINING,
    State.STOPPED: RouteState.STOPPED,
    State.ASLEEP: RouteState.ASLEEP,
    State.FROZEN: RouteState.FROZEN,
}
"""What each state means for a request."""

_GAP_SHARE = 4.0
"""Of the time between two tables, at least three quarters stay free of making tables."""


def route_state(life: Life) -> RouteState:
    """Say what a door is to think of an instance; one that is held for an undo is stopped."""
    return RouteState.STOPPED if life.is_held else ROUTE_STATES[life.state]


def route_table(
    version: int, domain: str, config: Config, instances: Iterable[Instance]
) -> RouteTable:
    """Make the table of what is configured and what is known now."""
    by_service: dict[str, dict[str, RouteInstance]] = {name: {} for name in config.services}
    for instance in instances:
        if instance.service in by_service:
            by_service[instance.service][instance.id] = route_entry(instance)
    services = {
        name: RouteService(
            request_timeout=spec.request_timeout_seconds,
            startup_timeout=spec.startup_timeout_seconds,
            wake=WakeRule(spec.wake.value),
            access_log=spec.access_log,
            instances=by_service[name],
        )
        for name, spec in config.services.items()
    }
    rules = RouteRules(
        default=config.routing.default,
        subdomain=config.routing.subdomain,
        path=config.routing.path,
        domain={
            domain: target
            for spec in config.services.values()
            for domain, target in spec.domains.items()
        },
    )
    return RouteTable(
        version=version,
        domain=domain,
        trusted_proxies=config.settings.trusted_proxies,
        proxy_protocol=config.settings.proxy_protocol,
        limits=config.settings.door,
        services=services,
        routing=rules,
    )


def route_entry(instance: Instance) -> RouteInstance:
    """Make what doors know of an instance."""
    process = instance.process
    is_inside = process is not None and process.has_own_network
    return RouteInstance(
        state=route_state(instance.life),
        weight=instance.weight,
        port=instance.port,
        pid=process.pid if process and is_inside else 0,
        start_ticks=process.start_ticks if process and is_inside else 0,
    )


class Routes:
    """Publishes tables: at once after a change, but never more than it takes time to make them.

    Versions grow over restarts of the engine too, so that a door's word about an old engine's
    table is never taken for one about ours.
    """

    def __init__(self, doors: Doors, make: Callable[[int], RouteTable]) -> None:
        """Take where tables go and what makes one of a version; nothing is published yet."""
        self._doors = doors
        self._make = make
        self._version = time.monotonic_ns() // 1_000_000
        self._is_open = False
        self._due: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._next_at = 0.0

    @property
    def next_version(self) -> int:
        """The version that the next table will have: what is true now will be in it."""
        return self._version + 1

    def open(self) -> None:
        """Publish from now on; before, a table would miss instances not yet adopted."""
        self._is_open = True
        self.touch()

    def touch(self, *, within: float = 0.0) -> None:
        """Have what changed published, at once or within some seconds: the soonest wish counts."""
        if not self._is_open:
            return
        now = time.monotonic()
        at = max(now + within, self._next_at)
        if self._due is not None:
            if self._due_at <= at:
                return
            self._due.cancel()
        self._due_at = at
        self._due = asyncio.get_running_loop().call_later(at - now, self._publish)

    def _publish(self) -> None:
        self._due = None
        start = time.monotonic()
        self._version += 1
        self._doors.publish(self._make(self._version))
        end = time.monotonic()
        self._next_at = end + _GAP_SHARE * (end - start)
