"""Sockets of instances' own network namespaces, which the keeper gives.

A socket stays in the network namespace it was made in, so that this unprivileged process reaches
an instance which nobody else on the host can. The keeper is asked, not the engine: new
connections are wanted also while that is away.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from engine.core.supplywire import MOST_SOCKETS, decode, encode_request

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.core.supplywire import Home, Supplied

log = logging.getLogger(__name__)

AHEAD = 8
"""Sockets kept ready for an instance that is being connected to."""

_MESSAGE_BYTES = 1024
_RETRY_SECONDS = 0.01


class _Pool:
    """What is there of one namespace, and who waits.

    Attributes:
        due: Sockets that were asked for.
        used_at: Monotonic.
    """

    def __init__(self) -> None:
        self.ready: list[socket.socket] = []
        self.waiting: deque[asyncio.Future[socket.socket]] = deque()
        self.due = 0
        self.used_at = 0.0

    def close(self, error: OSError) -> None:
        for each in self.ready:
            each.close()
        self.ready.clear()
        while self.waiting:
            if not (waiter := self.waiting.popleft()).done():
                waiter.set_exception(error)


class Supply:
    """Gives sockets at once where some are ready, and asks for more before they run out."""

    def __init__(self, link: socket.socket | None) -> None:
        """Take the link to the keeper over; None: there is none, and nothing can be had."""
        self._link = link
        self._pools: dict[Home, _Pool] = {}
        self._unsent: deque[bytes] = deque()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen to the keeper."""
        self._loop = loop
        if self._link is not None:
            self._link.setblocking(False)
            loop.add_reader(self._link.fileno(), self._receive)

    async def take(self, home: Home) -> socket.socket:
        """Give an unconnected TCP socket of a namespace; it is the caller's.

        Raises:
            OSError: The namespace or the keeper is gone.
        """
        if self._link is None:
            raise ConnectionError("the keeper gives no sockets")
        pool = self._pools.setdefault(home, _Pool())
        pool.used_at = self._loop.time()
        if pool.ready:
            found = pool.ready.pop()
            self._fill(home, pool)
            return found
        waiter: asyncio.Future[socket.socket] = self._loop.create_future()
        pool.waiting.append(waiter)
        self._fill(home, pool)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().close()
            raise

    def keep(self, homes: Collection[Home]) -> None:
        """Close what is there of all other namespaces: an open socket keeps one in being."""
        for home in self._pools.keys() - homes:
            self._pools.pop(home).close(ConnectionError("it is routed no more"))

    def trim(self, before: float) -> None:
        """Close what is ready of namespaces not connected to since then (monotonic)."""
        for home, pool in list(self._pools.items()):
            if pool.used_at < before and not (pool.waiting or pool.due):
                self._pools.pop(home).close(ConnectionError())

    @property
    def is_any_ready(self) -> bool:
        """Tell whether there is anything to trim."""
        return bool(self._pools)

    def _fill(self, home: Home, pool: _Pool) -> None:
        """Ask for what waits and some more, in one request where it can be."""
        missing = len(pool.waiting) - len(pool.ready) - pool.due
        if missing <= 0 and len(pool.ready) + pool.due > AHEAD // 2:
            return
        count = min(max(missing, 0) + AHEAD, MOST_SOCKETS)
        pool.due += count
        self._unsent.append(encode_request(home, count))
        if len(self._unsent) == 1:
            self._send()

    def _send(self) -> None:
        assert self._link is not None  # noqa: S101 - asked for by `take`
        while self._unsent:
            try:
                self._link.send(self._unsent[0])
            except BlockingIOError:
                self._loop.call_later(_RETRY_SECONDS, self._send)
                return
            except OSError:  # the keeper is gone, and soon this door
                self._give_up()
                return
            self._unsent.popleft()

    def _receive(self) -> None:
        assert self._link is not None  # noqa: S101 - it is what became readable
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._link, _MESSAGE_BYTES, MOST_SOCKETS)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._loop.remove_reader(self._link.fileno())
                self._give_up()
                return
            try:
                answer = decode(data)
            except msgspec.DecodeError:
                log.exception("an answer of the keeper cannot be read")
                _close_all(fds)
                continue
            self._take_in(answer, fds)

    def _take_in(self, answer: Supplied, fds: list[int]) -> None:
        pool = self._pools.get(answer.home)
        if pool is None:  # routed no more, since it was asked for
            _close_all(fds)
            return
        pool.due = max(0, pool.due - max(len(fds), 1))
        if answer.errno or not fds:
            number = answer.errno
            self._pools.pop(answer.home).close(OSError(number, os.strerror(number)))
            return
        for fd in fds:
            self._hand_out(pool, _adopt(fd))
        if pool.waiting:
            pool.due = 0
            self._fill(answer.home, pool)

    def _hand_out(self, pool: _Pool, given: socket.socket) -> None:
        while pool.waiting:
            waiter = pool.waiting.popleft()
            if not waiter.done():
                waiter.set_result(given)
                return
        pool.ready.append(given)

    def _give_up(self) -> None:
        self._unsent.clear()
        self.keep(())


def _adopt(fd: int) -> socket.socket:
    """Make a socket of a descriptor; its family and type are known, so the kernel is not asked."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd)
    found.setblocking(False)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
