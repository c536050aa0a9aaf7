"""The engine's end of its link to the keeper."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import socket
from typing import TYPE_CHECKING

import msgspec

from engine.core import keeperwire as wire
from engine.daemon.packets import PacketLink, close_all
from engine.kernel.connect import connect_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class KeeperGone(ConnectionError):  # noqa: N818 - named by situation
    """The keeper ended before it answered."""


class KeeperLink:
    """Gives orders to the keeper and hears from it.

    What the keeper says by itself goes to `on_message` with its descriptors, which are then the
    receiver's. Answers go to whoever gave the order.
    """

    def __init__(
        self,
        end: socket.socket,
        *,
        on_message: Callable[[wire.FromKeeper, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        """Take the socket over and listen at once."""
        self._on_message = on_message
        self._on_end = on_end
        self._seq = itertools.count(1)
        self._calls: dict[int, asyncio.Future[tuple[wire.Reply, list[int]]]] = {}
        self._link = PacketLink(end, on_packet=self._take, on_end=self._gone)

    def send(self, order: wire.ToKeeper) -> None:
        """Give an order that has no answer."""
        self._link.send(wire.encode(order))

    async def spawn(
        self, name: str, plan: list[list[object]], cgroup: str, blob: wire.Blob
    ) -> tuple[wire.Reply, list[int]]:
        """Have a plan carried out; the descriptors are the caller's.

        Raises:
            KeeperGone: The keeper ended.
            PacketTooLarge: The plan with its environment is too large.
        """
        seq = next(self._seq)
        return await self._call(seq, wire.Spawn(seq, name, plan, cgroup, blob))

    async def sockets(self, pid: int, count: int) -> tuple[wire.Reply, list[int]]:
        """Get TCP sockets of a process's network namespace; they are the caller's.

        Raises:
            KeeperGone: The keeper ended.
        """
        seq = next(self._seq)
        return await self._call(seq, wire.Sockets(seq, pid, count))

    async def connect_inside(self, pid: int, port: int) -> socket.socket:
        """Connect to 127.0.0.1 in a process's network namespace.

        Raises:
            OSError: Nobody listens, the process or the keeper is gone, or no descriptor is left.
        """
        reply, fds = await self.sockets(pid, 1)
        if not reply.ok or len(fds) != 1:
            close_all(fds)
            raise OSError(reply.errno or errno.EMFILE, os.strerror(reply.errno or errno.EMFILE))
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fds[0])
        found.setblocking(False)
        await connect_loopback(found, port)
        return found

    async def flush(self) -> None:
        """Wait until every order is sent."""
        await self._link.flush()

    def close(self) -> None:
        """Leave; what waits for an answer gets KeeperGone."""
        self._link.close()
        self._fail_calls()

    async def _call(
        self, seq: int, order: wire.Spawn | wire.Sockets
    ) -> tuple[wire.Reply, list[int]]:
        data = wire.encode(order)
        answer: asyncio.Future[tuple[wire.Reply, list[int]]] = (
            asyncio.get_running_loop().create_future()
        )
        self._calls[seq] = answer
        try:
            self._link.send(data)
            if not self._link.is_open:
                raise KeeperGone
            return await answer
        finally:
            self._calls.pop(seq, None)

    def _take(self, data: bytes, fds: list[int]) -> None:
        try:
            message = wire.decode(data)
        except msgspec.DecodeError as error:
            log.error("the keeper sent what nobody understands: %s: %r", error, data[:200])
            close_all(fds)
            return
        if not isinstance(message, wire.Reply):
            self._on_message(message, fds)
            return
        answer = self._calls.get(message.re) if message.re is not None else None
        if answer is None or answer.done():
            log.warning("the keeper answers what nobody waits for: %s", message)
            close_all(fds)
            return
        answer.set_result((message, fds))

    def _gone(self) -> None:
        self._fail_calls()
        self._on_end()

    def _fail_calls(self) -> None:
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(KeeperGone("the keeper is gone"))
