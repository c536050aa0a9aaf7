"""A SOCK_SEQPACKET link on the loop: whole messages with descriptors, never blocking."""

from __future__ import annotations

import array
import asyncio
import errno
import os
import socket
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_PACKET = 180_000
"""Bytes of one message."""

MAX_QUEUE = 10_000
"""Messages that wait for the other side; past it the link counts as lost."""

_RECEIVE_BYTES = 256 * 1024
_BUFFER_BYTES = 4 * 1024 * 1024
_MAX_FDS = 253
_READS_PER_WAKEUP = 64
_RETRY_SECONDS = 0.02
_RETRY_ERRORS = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


class PacketTooLarge(ValueError):  # noqa: N818 - named by situation
    """A message is larger than the link takes."""


class PacketLink:
    """One end of a link.

    Descriptors that arrive belong to `on_packet`, those given to `send` stay the caller's.

    Attributes:
        is_open: False after the other side left, or `close`.
    """

    def __init__(
        self,
        end: socket.socket,
        *,
        on_packet: Callable[[bytes, list[int]], None],
        on_end: Callable[[], None],
        on_clear: Callable[[], None] | None = None,
    ) -> None:
        """Take the socket over and read from it at once.

        Args:
            end: This side's socket.
            on_packet: Called with each message and its descriptors.
            on_end: Called once, when the other side is gone.
            on_clear: Called when everything queued was sent.
        """
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.is_open = True
        self._end = end
        self._on_packet = on_packet
        self._on_end = on_end
        self._on_clear = on_clear
        self._queue: deque[tuple[bytes, array.array[int]]] = deque()
        self._waits = False
        self._emptied = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end.fileno(), self._read)

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._queue

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send a message now, or in its turn; nothing happens on a closed link.

        Raises:
            PacketTooLarge: It has more than MAX_PACKET bytes.
        """
        if len(data) > MAX_PACKET:
            message = f"a message of {len(data)} bytes is over the limit of {MAX_PACKET}"
            raise PacketTooLarge(message)
        if not self.is_open:
            return
        # The copies live until they are sent, whatever becomes of the caller's.
        self._queue.append((data, array.array("i", (os.dup(fd) for fd in fds))))
        if len(self._queue) > MAX_QUEUE:
            self._lost()
        elif not self._waits:
            self._flush()

    async def flush(self) -> None:
        """Wait until everything queued is sent, or the link is gone."""
        self._emptied = asyncio.Event()
        if self._queue and self.is_open:
            await self._emptied.wait()

    def close(self) -> None:
        """Leave without a word to `on_end`."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        while self._queue:
            self._drop_first()
        self._emptied.set()

    def _lost(self) -> None:
        if self.is_open:
            self.close()
            self._on_end()

    def _read(self) -> None:
        for _ in range(_READS_PER_WAKEUP):
            if not self.is_open:
                return
            try:
                data, ancillary, _, _ = self._end.recvmsg(
                    _RECEIVE_BYTES, socket.CMSG_SPACE(_MAX_FDS * 4), socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                self._lost()
                return
            fds = _descriptors(ancillary)
            if not data:
                self._lost()
                return
            self._on_packet(data, fds)

    def _flush(self) -> None:
        self._waits = False
        while self._queue and self.is_open:
            data, fds = self._queue[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
            try:
                self._end.sendmsg([data], rights, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                self._waits = True
                self._loop.add_writer(self._end.fileno(), self._writable)
                return
            except ConnectionError:
                self._lost()
                return
            except OSError as error:
                if error.errno not in _RETRY_ERRORS:
                    raise
                self._waits = True
                self._loop.call_later(_RETRY_SECONDS, self._flush)
                return
            self._drop_first()

    def _writable(self) -> None:
        self._loop.remove_writer(self._end.fileno())
        self._flush()
        if not self._queue and self.is_open and self._on_clear is not None:
            self._on_clear()
        if not self._queue:
            self._emptied.set()

    def _drop_first(self) -> None:
        for fd in self._queue.popleft()[1]:
            os.close(fd)


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that nobody took."""
    for fd in fds:
        os.close(fd)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found.tolist()
