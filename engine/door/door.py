"""One door: what its connections share, and its link to the engine."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING

from engine.core.doorwire import (
    AccessPipe,
    AccessWanted,
    Crowded,
    DoorHello,
    EngineHello,
    InstanceIs,
    RouteTable,
    TableIs,
    Wake,
    WakeFailed,
)
from engine.door.access import AccessLogs
from engine.door.backend import IDLE_SECONDS, Inside
from engine.door.board import Board
from engine.door.client import Client
from engine.door.figures import batches
from engine.door.fleet import Fleet
from engine.door.parking import Parking
from engine.door.supply import Supply
from engine.door.upstream import Upstream
from engine.kernel.connect import connect_loopback, hand_over

if TYPE_CHECKING:
    import socket

    from engine.core.doorwire import EngineMessage
    from engine.door.backend import Backend
    from engine.door.exchange import Exchange
    from engine.door.link import Link

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""How late a deadline may be noticed. Nothing ticks while nothing is connected."""

STATS_SECONDS = 1.0

DRAIN_SECONDS = 10.0
"""How long requests under way may take once the door was asked to end."""


class Door:
    """Accepts clients, and knows where their requests go.

    Attributes:
        loop: What it runs on.
        fleet: Where requests go.
        parking: Who waits.
        access: The access logs.
        slow: Clients that do not take what is written to them fast enough.
        is_draining: It has been asked to end.
        done: Set once it has nothing to do any more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Link,
        *,
        index: int,
        domain: str,
        supply: Supply | None = None,
    ) -> None:
        """Begin without a table; the engine sends one when it is there."""
        self.loop = loop
        self.is_draining = False
        self.done = asyncio.Event()
        self._board = Board()
        self.fleet = Fleet(domain, self._on_drained, self._board)
        self.parking = Parking(self._ask, self._tell_crowd)
        self._link = link
        self._supply = supply or Supply(None)
        self._index = index
        self._clients: set[Client] = set()
        self.slow: set[Client] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._unsaid: list[DoorHello | Wake | Crowded | AccessWanted] = []
        self.access = AccessLogs(loop, lambda name: self._say(AccessWanted(name=name)))
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0

    async def open(self, listener: object) -> None:
        """Take clients from a listening socket, and greet the engine."""
        self._server = await self.loop.create_server(
            lambda: Client(self),
            sock=listener,  # type: ignore[call-overload]
            backlog=4096,
        )
        self.loop.add_reader(self._link.fileno(), self._on_link)
        self._supply.open(self.loop)
        self._hello()

    # --- clients ---

    def enter(self, client: Client) -> None:
        """Note a new client."""
        self._clients.add(client)
        if self._timer is None:
            self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    def leave(self, client: Client) -> None:
        """Note that a client has gone."""
        self._clients.discard(client)
        self.slow.discard(client)
        if self.is_draining and not self._clients:
            self._end()

    def connect(self, exchange: Exchange, backend: Backend) -> None:
        """Open a connection for an exchange; it is told how that went."""
        task = self.loop.create_task(self._connect(exchange, backend), name="connect")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, exchange: Exchange, backend: Backend) -> None:
        address = backend.address

        def make() -> Upstream:
            return Upstream(backend, address)

        try:
            if isinstance(address, Inside):
                sock = await self._connect_inside(address)
                upstream = await hand_over(make, sock)
            elif isinstance(address, str):
                _, upstream = await self.loop.create_unix_connection(make, address)
            else:
                _, upstream = await self.loop.create_connection(make, *address)
        except OSError:
            exchange.on_connect_failed(backend)
        else:
            exchange.on_connected(upstream)

    async def _connect_inside(self, address: Inside) -> socket.socket:
        """Connect in another network namespace, by a socket that was made there."""
        sock = await self._supply.take(address.home)
        await connect_loopback(sock, address.port)
        return sock

    # --- the engine ---

    def _on_link(self) -> None:
        if not self._link.receive(self._on_message):
            log.warning("the keeper is gone")
            self.loop.remove_reader(self._link.fileno())
            self.drain()

    def _on_message(self, message: EngineMessage, given: RouteTable | int | None) -> None:
        match message:
            case EngineHello():
                self._hello()
                self.fleet.tell_all_anew()
                self._tell()
                self.parking.ask_again(time.monotonic(), is_forced=True)
                self.access.ask_again()
            case TableIs():
                if isinstance(given, RouteTable):
                    self._apply(given)
            case InstanceIs(name=name, entry=entry):
                self.parking.release_of(self.fleet.put(name, entry))
            case AccessPipe(name=name):
                self.access.take(name, given if isinstance(given, int) else None)
            case WakeFailed(name=name, reason=reason, retry_after=retry_after):
                log.debug("%s does not come up: %s", name, reason)
                self.parking.fail(name, retry_after)

    def _apply(self, table: RouteTable) -> None:
        self.fleet.apply(table)
        self._supply.keep(self.fleet.homes())
        self.access.keep(self.fleet.logged_services())
        self.parking.release()
        if self.fleet.has_draining:
            self._tell()

    def _hello(self) -> None:
        self._say(DoorHello(index=self._index, pid=os.getpid(), version=self.fleet.version))

    def _ask(self, name: str) -> None:
        self._say(Wake(name=name))

    def _tell_crowd(self, key: str, waiting: int) -> None:
        self._say(Crowded(key=key, waiting=waiting))

    def _say(self, message: DoorHello | Wake | Crowded | AccessWanted) -> None:
        """Send at once, or with the next tick."""
        if self._unsaid or not self._send(message):
            if message not in self._unsaid:
                self._unsaid.append(message)
            if self._timer is None:
                self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    def _send(self, message: DoorHello | Wake | Crowded | AccessWanted) -> bool:
        fds = [self._board.fd] if isinstance(message, DoorHello) else []
        return self._link.send(message, fds)

    def _on_drained(self) -> None:
        self.loop.call_soon(self._tell)

    def _tell(self) -> None:
        """Send what there is to tell of those that drain; what is not taken is sent later."""
        self._told_at = time.monotonic()
        for message, traffic in batches(self.fleet.version, self.fleet.told_traffic()):
            if not self._link.send(message):
                return
            for one in traffic:
                one.is_changed = False

    # --- time ---

    def _tick(self) -> None:
        """Look after deadlines, figures and what could not be said; stop where nothing is left."""
        now = time.monotonic()
        for client in [one for one in self._clients if one.deadline <= now]:
            client.on_deadline(now)
        for client in list(self.slow):
            client.check_pace(now)
        while self._unsaid and self._send(self._unsaid[0]):
            del self._unsaid[0]
        self.parking.ask_again(now)
        backends = self.fleet.backends()
        if now - self._told_at >= STATS_SECONDS - TICK_SECONDS / 2:
            self._tell()
            for backend in backends:
                backend.close_idle(now - IDLE_SECONDS)
            self._supply.trim(now - IDLE_SECONDS)
        is_needed = (
            self._clients
            or self._unsaid
            or self.fleet.told_traffic()
            or any(backend.has_idle for backend in backends)
            or self._supply.is_any_ready
        )
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick) if is_needed else None

    # --- the end ---

    def drain(self) -> None:
        """Take no more clients; end when those there are have their answers."""
        if self.is_draining:
            return
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.drain()
        if not self._clients:
            self._end()
        self.loop.call_later(DRAIN_SECONDS, self._end)

    def _end(self) -> None:
        self._tell()
        self.access.close()
        self._board.close()
        self.done.set()
