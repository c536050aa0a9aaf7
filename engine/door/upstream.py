"""A connection to an instance, used for one request after another."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, cast

from engine.core.http1 import ResponseReader

if TYPE_CHECKING:
    from engine.door.backend import Address, Backend
    from engine.door.exchange import Exchange

HIGH_WATER_BYTES = 256 * 1024
"""Bytes waiting to be sent on one connection before its other side is no longer read."""


class Upstream(asyncio.Protocol):
    """Carries requests to an instance and its answers back.

    Bytes that answer nothing end the connection: they must never be taken for the answer to the
    next request.

    Attributes:
        exchange: What it is used for now, None while idle.
        address: Where it was opened to.
        is_used: It has carried a request before.
        idle_since: Monotonic time.
        has_slept: Its other end has been frozen since it was last used.
        is_lost: It is closed.
    """

    __slots__ = (
        "address",
        "backend",
        "exchange",
        "has_slept",
        "idle_since",
        "is_lost",
        "is_used",
        "reader",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, backend: Backend, address: Address) -> None:
        """Begin unconnected."""
        self.backend = backend
        self.address = address
        self.reader = ResponseReader()
        self.exchange: Exchange | None = None
        self.is_used = False
        self.is_lost = False
        self.idle_since = 0.0
        self.has_slept = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(HIGH_WATER_BYTES)

    def send_head(self, exchange: Exchange, head: bytes, method: bytes) -> None:
        """Begin a request."""
        self.exchange = exchange
        self.reader.expect(method)
        self.transport.write(head)

    def release(self, now: float, *, is_reusable: bool) -> None:
        """End what it was used for; keep it for the next, or close it."""
        self.exchange = None
        is_open = not (self.is_lost or self.transport.is_closing())
        if not is_reusable or not is_open or self.reader.buffered:
            self.close()
            return
        self.is_used = True
        # An exchange may have been left while its client was slow to read.
        self.transport.resume_reading()
        if not self.backend.give(self, now):
            self.close()

    def close(self) -> None:
        """Close it, whatever it is in; nobody is told."""
        self.exchange = None
        if not self.is_lost:
            self.transport.abort()

    def is_fresh(self) -> bool:
        """Ask the kernel whether the instance has closed it or sent something meanwhile."""
        if self.is_lost or self.transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    def data_received(self, data: bytes) -> None:
        """Give what arrives to the request it answers."""
        exchange = self.exchange
        if exchange is None:
            self.transport.abort()
            return
        exchange.on_response(self.reader.receive(data))

    def eof_received(self) -> bool:
        """Take the end of what the instance sends; only a tunnel may still be written to."""
        exchange = self.exchange
        return exchange is not None and exchange.on_upstream_end(self.reader.receive_end())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for an answer."""
        self.is_lost = True
        self.backend.forget(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_upstream_lost(self.reader.receive_end())

    def pause_writing(self) -> None:
        """Read no more from the client until this side has drained."""
        if self.exchange is not None:
            self.exchange.client.pause_reading()

    def resume_writing(self) -> None:
        """Read from the client again."""
        if self.exchange is not None:
            self.exchange.client.resume_reading()
