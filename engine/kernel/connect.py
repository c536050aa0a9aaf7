"""Connecting a socket that was made elsewhere."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from typing import TYPE_CHECKING, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)

_SOON = {0, errno.EISCONN}


async def connect_loopback(sock: socket.socket, port: int) -> None:
    """Connect a non-blocking IPv4 socket to 127.0.0.1 of the network namespace it was made in.

    uvloop's own `sock_connect` resolves even addresses, which needs files and a thread. On a
    loopback the handshake is mostly over when connect(2) returns, so that nothing is waited for.
    The socket is closed if that fails.

    Raises:
        OSError: Nobody listens there, for example.
    """
    try:
        error = sock.connect_ex(("127.0.0.1", port))
        if error == errno.EINPROGRESS:
            if not _is_settled(sock):
                await _until_writable(sock)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error not in _SOON:
            raise OSError(error, os.strerror(error))
    except BaseException:
        sock.close()
        raise


async def hand_over(make: Callable[[], _Protocol], sock: socket.socket) -> _Protocol:
    """Give a connected socket to the loop, and give the protocol that is made for it.

    Once uvloop has the descriptor it closes it, also where this is cancelled and where the
    protocol closes its transport at once; then the socket object must not close what may by
    then be another's.
    """
    loop = asyncio.get_running_loop()
    try:
        _, protocol = await loop.create_connection(make, sock=sock)
    finally:
        if isinstance(loop, uvloop.Loop):
            sock.detach()
    return protocol


def _is_settled(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(0))


async def _until_writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
