"""A door's end of the link to the engine. It lasts longer than any engine."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

import msgspec

from engine.core import doorwire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.core.doorwire import DoorMessage, EngineMessage, RouteTable

log = logging.getLogger(__name__)

TABLE_LIMIT_BYTES = 256 * 1024 * 1024
_FDS = 8


class Link:
    """Sends and receives whole messages without ever waiting.

    While no engine reads, the socket's buffer fills up and `send` says so: the caller keeps
    what it has to tell and merges it with what comes.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take the socket over."""
        self._sock = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._sock.fileno()

    def send(self, message: DoorMessage, fds: Sequence[int] = ()) -> bool:
        """Send a message with descriptors, which stay the caller's; tell whether it was taken."""
        try:
            socket.send_fds(self._sock, [doorwire.encode(message)], fds)
        except (BlockingIOError, ConnectionError):
            return False
        except OSError:
            log.exception("a message to the engine was refused")
            return False
        return True

    def receive(self, take: Callable[[EngineMessage, RouteTable | int | None], None]) -> bool:
        """Give all messages that are there; tell whether the other side still exists.

        Args:
            take: Gets each with what came beside it: a table, or the descriptor of an access
                log's pipe, which is its own then.
        """
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._sock, doorwire.MESSAGE_LIMIT_BYTES, _FDS)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not data:
                return False
            try:
                message = doorwire.decode_from_engine(data)
                given = _read(message, fds)
            except (msgspec.DecodeError, OSError):
                log.exception("a message of the engine cannot be read")
                continue
            finally:
                for fd in fds:
                    os.close(fd)
            take(message, given)


def _read(message: EngineMessage, fds: list[int]) -> RouteTable | int | None:
    """Give what came beside a message; the descriptors stay the caller's.

    Raises:
        OSError: A table is unreasonably large, or there is no descriptor left.
        msgspec.DecodeError: It is no table.
    """
    if not fds:
        return None
    if isinstance(message, doorwire.AccessPipe):
        return os.dup(fds[0])
    return _read_table(fds[0])


def _read_table(fd: int) -> RouteTable:
    """Read a memory file from its start: all doors share its position.

    Raises:
        OSError: It is unreasonably large.
    """
    size = os.fstat(fd).st_size
    if size > TABLE_LIMIT_BYTES:
        raise OSError(f"a routing table of {size} bytes")
    return doorwire.decode_table(os.pread(fd, size, 0))
