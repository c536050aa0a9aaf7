"""A door's end of the link to the engine. It lasts longer than any engine."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

import msgspec

from engine.core import doorwire

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def send(self, message: DoorMessage) -> bool:
        """Send a message; tell whether it was taken."""
        try:
            self._sock.send(doorwire.encode(message))
        except (BlockingIOError, ConnectionError):
            return False
        except OSError:
            log.exception("a message to the engine was refused")
            return False
        return True

    def receive(self, take: Callable[[EngineMessage, RouteTable | None], None]) -> bool:
        """Give all messages that are there; tell whether the other side still exists."""
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
                table = _read_table(fds[0]) if fds else None
            except (msgspec.DecodeError, OSError):
                log.exception("a message of the engine cannot be read")
                continue
            finally:
                for fd in fds:
                    os.close(fd)
            take(message, table)


def _read_table(fd: int) -> RouteTable:
    """Read a memory file from its start: all doors share its position.

    Raises:
        OSError: It is unreasonably large.
    """
    size = os.fstat(fd).st_size
    if size > TABLE_LIMIT_BYTES:
        raise OSError(f"a routing table of {size} bytes")
    return doorwire.decode_table(os.pread(fd, size, 0))
