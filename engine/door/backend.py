"""One instance as a door uses it: its address, its idle connections, its traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.core.supplywire import Home
    from engine.door.figures import Traffic
    from engine.door.upstream import Upstream

IDLE_LIMIT = 256
"""Idle connections kept to one instance; more are closed as they come free."""

IDLE_SECONDS = 60.0
"""How long one is kept unused."""


OUT_LEAST_SECONDS = 0.25
OUT_MOST_SECONDS = 8.0
"""How long one that took no connection is passed over where another can be chosen."""

TRY_SECONDS = 1.0
"""How long the first request after that has it alone."""


class Inside(NamedTuple):
    """A port of 127.0.0.1 in a network namespace that is not the door's."""

    home: Home
    port: int


Address = tuple[str, int] | str | Inside
"""(host, port), the path of a Unix socket, or where only a socket made there gets to."""


class Backend:
    """Where requests for one instance go.

    Outlives tables: connections and figures stay while the address does.

    Attributes:
        name: "service:id"; "" for the engine's API.
        address: See `Address`.
        is_up: It may be sent new requests, so its connections are worth keeping.
    """

    __slots__ = ("_idle", "_out_until", "_strikes", "address", "is_up", "name", "traffic")

    def __init__(self, name: str, traffic: Traffic) -> None:
        """Begin without an address."""
        self.name = name
        self.traffic = traffic
        self.address: Address = ("", 0)
        self.is_up = False
        self._idle: list[Upstream] = []
        self._strikes = 0
        self._out_until = 0.0

    def move(self, address: Address, *, is_up: bool, is_frozen: bool = False) -> None:
        """Take what a new table says; connections to elsewhere are closed."""
        if address != self.address or not (is_up or is_frozen):
            self.close_idle()
            self.clear()
        if is_frozen:
            for upstream in self._idle:
                upstream.has_slept = True
        self.address = address
        self.is_up = is_up

    def strike(self, now: float) -> None:
        """Note that it took no connection: it is passed over for a while, longer each time."""
        self._out_until = now + min(OUT_MOST_SECONDS, OUT_LEAST_SECONDS * 2**self._strikes)
        self._strikes = min(self._strikes + 1, 16)

    def clear(self) -> None:
        """Note that it takes connections."""
        self._strikes = 0

    def is_passed_over(self, now: float) -> bool:
        """Tell whether another is to be chosen, if there is one."""
        return self._strikes > 0 and now < self._out_until

    def begin_try(self, now: float) -> None:
        """Note that it was chosen: once its time is over, one request tries it alone."""
        if self._strikes:
            self._out_until = max(self._out_until, now + TRY_SECONDS)

    def take(self, *, is_sure: bool = False) -> Upstream | None:
        """Give the connection that came free last, None where there is none.

        Args:
            is_sure: For a request that cannot be sent twice: only one that surely stands. A
                server that was frozen closes what it let lie too long in the moment it is thawed.
        """
        while self._idle:
            upstream = self._idle.pop()
            if not is_sure or (not upstream.has_slept and upstream.is_fresh()):
                return upstream
            upstream.close()
        return None

    def give(self, upstream: Upstream, now: float) -> bool:
        """Keep a connection for the next request; tell whether it is kept."""
        if not self.is_up or upstream.address != self.address or len(self._idle) >= IDLE_LIMIT:
            return False
        upstream.idle_since = now
        upstream.has_slept = False
        self._idle.append(upstream)
        return True

    def forget(self, upstream: Upstream) -> None:
        """Note that an idle connection is gone."""
        if upstream in self._idle:
            self._idle.remove(upstream)

    def close_idle(self, before: float | None = None) -> None:
        """Close connections idle since before that time, or all. The oldest are in front."""
        kept = [one for one in self._idle if before is not None and one.idle_since > before]
        gone = [one for one in self._idle if one not in kept] if kept else self._idle
        self._idle = kept
        for upstream in gone:
            upstream.close()

    @property
    def has_idle(self) -> bool:
        """Tell whether it keeps a connection."""
        return bool(self._idle)
