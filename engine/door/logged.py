"""A visit that is written down in the access log of its instance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core.accesslog import begin_line, encode_line
from engine.door.stage import Stage
from engine.door.visit import Visit

if TYPE_CHECKING:
    from engine.core.http1_events import RequestHead
    from engine.door.backend import Backend
    from engine.door.door import Door
    from engine.door.exchange import Exchange


SWITCHED = 101
"""The status of a request that became a tunnel."""


class LoggedVisit(Visit):
    """Takes down what a plain visit counts, and writes the line once the request has ended."""

    __slots__ = ("_began", "_door", "_exchange", "_line", "_name")

    def __init__(self, door: Door, exchange: Exchange, head: RequestHead, name: str) -> None:
        """Begin with the head.

        Args:
            door: Whose log it is.
            exchange: Of the request; its stage tells when it has ended.
            head: The request.
            name: The instance asked for; "" where the door chooses one.
        """
        super().__init__()
        self._door = door
        self._exchange: Exchange | None = exchange
        self._name = name
        self._began = time.monotonic()
        said, _ = exchange.client.source.said(head, door.fleet.proxies)
        self._line = begin_line(head, said.client, time.time_ns() / 1e9)

    def enter(self, backend: Backend, now: float) -> None:
        """Go to an instance: the line is its own."""
        super().enter(backend, now)
        self._name = backend.name

    def answered(self, now: float, status: int) -> None:
        """Note the answer, and how long the instance took for it."""
        super().answered(now, status)
        if self.begun_at:
            self._line.upstream_ms = round((now - self.begun_at) * 1000.0, 3)

    def carry_in(self, size: int) -> None:
        """Count bytes of a request's body."""
        super().carry_in(size)
        self._line.bytes_in += size

    def carry_out(self, size: int) -> None:
        """Count bytes of an answer's body."""
        super().carry_out(size)
        self._line.bytes_out += size

    def cut(self) -> None:
        """Note that the instance broke off."""
        super().cut()
        self._line.aborted = "upstream"

    def give_up(self) -> None:
        """Note that the client has gone; it is how a tunnel ends."""
        if self.status != SWITCHED:
            self._line.aborted = "client"

    def leave(self, now: float) -> None:
        """Go from the instance; for good, the line is written."""
        super().leave(now)
        if self._exchange is not None and self._exchange.stage is Stage.DONE:
            self._exchange = None  # which has this: left so, only a collection would free both
            self._line.status = self.status
            self._line.duration_ms = round((now - self._began) * 1000.0, 3)
            self._door.access.write(self._name, encode_line(self._line))
