"""A connection of a client: its requests one after another, in order."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from math import inf
from typing import TYPE_CHECKING, cast

from engine.core.http1 import Phase, RequestReader
from engine.core.http1_events import End, Event, Refused, RequestHead
from engine.core.proxy_protocol import NotSaid
from engine.door.answers import answer
from engine.door.exchange import Exchange
from engine.door.pace import Pace
from engine.door.source import Source, is_of_user
from engine.door.stage import Stage
from engine.door.upstream import HIGH_WATER_BYTES

if TYPE_CHECKING:
    from engine.door.door import Door

PACE_SECONDS = 1.0
"""How often it is looked whether one that is to be closed has taken what waits for it."""

LINGER_SECONDS = 2.0
"""How long a client may go on sending after it was told that nothing more is read.

Closing at once would reset the connection and could take the answer with it.
"""

HALF_CLOSED_SECONDS = 2.0
"""How long an answer may pause once the client has ended its side.

A client that is gone and one that only says no more look the same until it is written to.
"""

JOIN_BYTES = 16 * 1024
"""Up to here one write of a copy is cheaper than several writes."""

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing drops what is unsent and resets. Source: socket(7)."""

PIPELINE_BYTES = 64 * 1024
"""Requests kept while one is answered; then the client is not read any more."""


class Client(asyncio.Protocol):
    """Reads requests and writes answers, one exchange at a time.

    Attributes:
        deadline: Monotonic time at which `on_deadline` is due.
        reader: What it sends.
        source: Who it is.
        is_paused: It is not read at the moment.
        is_full: It does not take what is written to it fast enough.
        is_half_closed: It has ended its side.
        limits: What it may do; those of the table in force when it came.
    """

    __slots__ = (
        "_door",
        "_exchange",
        "_has_begun",
        "_is_lingering",
        "_is_pumping",
        "_pace",
        "_written",
        "deadline",
        "is_full",
        "is_half_closed",
        "is_paused",
        "limits",
        "reader",
        "source",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        """Begin unconnected."""
        self._door = door
        self.limits = door.fleet.limits
        self.reader = RequestReader(self.limits.head_bytes, self.limits.head_fields)
        self._exchange: Exchange | None = None
        self.source = Source(b"")
        self.deadline = inf
        self.is_paused = False
        self.is_full = False
        self.is_half_closed = False
        self._has_begun = False
        self._is_lingering = False
        self._is_pumping = False
        self._written = False
        self._pace: Pace | None = None

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.source = Source(_address_of(self.transport.get_extra_info("peername")))
        if self._door.fleet.front_uid >= 0:
            self.source.is_front = is_of_user(sock, self._door.fleet.front_uid)
        self.source.await_preface(self._door.fleet.proxies)
        self.deadline = time.monotonic() + self.limits.head_seconds
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the upstream that nobody waits any more."""
        self._door.leave(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_client_lost()

    def data_received(self, data: bytes) -> None:
        """Take part of a request, of what follows it, or of a tunnel."""
        if self._is_lingering:
            return
        if self.source.is_awaited:
            try:
                data = self.source.take_preface(data)
            except NotSaid:
                self.transport.close()
                return
        events = self.reader.receive(data)
        if events:
            self._take(events)
        elif self._exchange is None:
            self._await_head()
        elif self.reader.buffered > PIPELINE_BYTES:
            self.pause_reading()

    def eof_received(self) -> bool:
        """Take the client's end; tell whether there is anything left to say to it."""
        exchange = self._exchange
        if exchange is None or self._is_lingering or not exchange.on_client_end():
            return False
        self.is_half_closed = True
        if exchange.stage is not Stage.TUNNEL:
            self._written = False
            self.deadline = min(self.deadline, time.monotonic() + HALF_CLOSED_SECONDS)
        return True

    def pause_writing(self) -> None:
        """Read no more from the upstream."""
        self.is_full = True
        self._pace = None
        self._door.slow.add(self)
        if self._exchange is not None:
            self._exchange.pause_upstream()

    def resume_writing(self) -> None:
        """Read from the upstream again."""
        self.is_full = False
        self._pace = None
        self._door.slow.discard(self)
        if self._exchange is not None:
            self._exchange.resume_upstream()

    def pause_reading(self) -> None:
        """Leave further bytes in the kernel, so that the client is slowed down."""
        if not self.is_paused and not self.transport.is_closing():
            self.is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.is_paused and not self.transport.is_closing():
            self.is_paused = False
            self.transport.resume_reading()

    # --- requests ---

    def _take(self, events: list[Event]) -> None:
        begun: Exchange | None = None
        for event in events:
            kind = type(event)
            if kind is RequestHead:
                begun = Exchange(self._door, self, event)  # type: ignore[arg-type]
                self._exchange = begun
            elif kind is Refused:
                self._refuse(event.status)  # type: ignore[union-attr]
                return
            elif self._exchange is None:
                continue  # the rest of a request that was answered before its end
            elif kind is End:
                self._exchange.on_body_end(event)  # type: ignore[arg-type]
            else:
                self._exchange.on_body(event)  # type: ignore[arg-type]
        if begun is not None:
            self._has_begun = False
            begun.go_on()

    def _await_head(self) -> None:
        if self.reader.buffered and not self._has_begun:
            self._has_begun = True
            self.deadline = time.monotonic() + self.limits.head_seconds

    def _refuse(self, status: int) -> None:
        """Answer what is no request, unless an answer has begun; hear no more of it."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            has_begun = exchange.stage is Stage.STREAMING
            exchange.on_client_lost()
            if has_begun:
                self.transport.abort()
                return
        self.transport.write(answer(status, is_kept=False))
        self._linger()

    # --- answers ---

    def write(self, pieces: list[bytes]) -> None:
        """Send part of an answer."""
        if not pieces:
            return
        self._written = True
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        elif len(pieces) < 4 and len(pieces[-1]) < JOIN_BYTES:
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)

    def write_end(self) -> None:
        """End our side of a tunnel."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def cut(self, *, is_framed: bool) -> None:
        """End an answer that cannot be completed, so that the client sees that it is cut."""
        self._exchange = None
        if is_framed:
            self.transport.close()
        else:
            # Its end would look like the answer's: only a reset tells them apart.
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def on_exchange_done(self, now: float, *, is_kept: bool, is_whole: bool) -> None:
        """Turn to the next request, or close.

        Args:
            now: Monotonic time.
            is_kept: The client knows that the connection stays.
            is_whole: The request was read to its end.
        """
        self._exchange = self._pace = None
        if not is_kept or self._door.is_draining:
            if is_whole and not self.reader.buffered:
                self.deadline = now + PACE_SECONDS
                self.transport.close()
            else:
                self._linger()
            return
        self.deadline = now + self.limits.idle_seconds
        self._has_begun = False
        if self.is_paused:
            self.resume_reading()
        if self._is_pumping:
            return
        events = self.reader.go_on()
        if events:
            self._pump(events)
        else:
            self._await_head()

    def _pump(self, events: list[Event]) -> None:
        """Take the requests that are there already; a loop, as each may be answered at once."""
        self._is_pumping = True
        try:
            self._take(events)
            while self._exchange is None and self.reader.phase is Phase.DONE:
                self._take(self.reader.go_on())
            if self._exchange is None:
                self._await_head()
        finally:
            self._is_pumping = False

    def _linger(self) -> None:
        if self.transport.is_closing():
            return
        self._is_lingering = True
        self.deadline = time.monotonic() + LINGER_SECONDS
        self.resume_reading()
        self.transport.write_eof()

    # --- time ---

    def check_pace(self, now: float) -> None:
        """Cut off one that does not take what waits for it: nobody is held up for ever."""
        unsent = self.transport.get_write_buffer_size()
        if self._pace is None:
            self._pace = Pace(self.limits.slow_seconds, unsent, now)
        elif self._pace.is_too_slow(unsent, now):
            self.transport.abort()

    def on_deadline(self, now: float) -> None:
        """Close what is idle or late; what waits for a client that takes it is sent first."""
        exchange = self._exchange
        if exchange is None and self.transport.get_write_buffer_size():
            self.deadline = now + PACE_SECONDS
            self.check_pace(now)
        elif self._is_lingering:
            self.transport.abort()
        elif exchange is None:
            if self._has_begun:
                self._refuse(408)
            else:
                self.transport.close()
        elif self.is_half_closed:
            if self._written:
                self._written = False
                self.deadline = now + HALF_CLOSED_SECONDS
            else:
                self.transport.abort()
        else:
            exchange.on_deadline()

    def drain(self) -> None:
        """Close if nothing is under way; else the answer under way is the last."""
        if self._exchange is None and not self._is_lingering:
            self.transport.close()


def _address_of(peername: object) -> bytes:
    """Give an IP address as text, without its zone; an IPv4 address that came by IPv6 as IPv4."""
    if not isinstance(peername, tuple):
        return b"unknown"
    return str(peername[0]).partition("%")[0].removeprefix("::ffff:").encode()
