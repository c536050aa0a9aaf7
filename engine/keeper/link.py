"""The keeper's end of the pair it shares with one engine, or with one door."""

import array
import collections
import contextlib
import errno as errnos
import json
import os
import socket
from collections.abc import Callable, Iterable

from engine.keeper.loop import Loop
from engine.keeper.protocol import Message

_BUFFER_BYTES = 4 * 1024 * 1024
_RECEIVE_BYTES = 256 * 1024
_RETRY_SECONDS = 0.01
_LATER = (errnos.EAGAIN, errnos.ETOOMANYREFS, errnos.ENOBUFS, errnos.ENOMEM)
_MAX_QUEUE = 1000
"""Messages waiting for a slow engine before no more orders are taken from it."""


class Link:
    """Sends without ever blocking; what does not fit waits in order, its descriptors kept."""

    def __init__(
        self,
        loop: Loop,
        on_message: Callable[["Link", bytes], None],
        buffer_bytes: int = _BUFFER_BYTES,
        max_queue: int = _MAX_QUEUE,
    ) -> None:
        """Make the pair; `theirs` goes to the other side, which is sent so much ahead at most."""
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)
        for end in (self.ours, self.theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        self.is_open = True
        self.is_greeted = False
        self._max_queue = max_queue
        self._loop = loop
        self._on_message = on_message
        self._queue: collections.deque[tuple[bytes, array.array[int]]] = collections.deque()
        loop.watch(self.ours.fileno(), self._take)

    def send(self, message: Message, fds: Iterable[int] = ()) -> None:
        """Send a message, now or once there is room; nothing happens on a closed link."""
        if self.is_open:
            # The copies live until the message is sent, whatever becomes of the originals.
            self._queue.append((json.dumps(message).encode(), array.array("i", map(os.dup, fds))))
            if len(self._queue) == 1:
                self._flush()

    def close(self) -> None:
        """Carry out what the engine had still sent, and end the link."""
        with contextlib.suppress(OSError):
            while self.is_open:
                self._take()
        self._end()

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._loop.unwatch(self.ours.fileno())
            self.ours.close()
            while self._queue:
                self._drop_first()

    def _take(self) -> None:
        try:
            data = self.ours.recv(_RECEIVE_BYTES)
        except ConnectionResetError:
            return  # it left messages unread, which is told once, before what it had sent
        if data:
            self._on_message(self, data)
        else:
            self._end()

    def _flush(self) -> None:
        while self._queue:
            data, fds = self._queue[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
            try:
                self.ours.sendmsg([data], rights, socket.MSG_NOSIGNAL)
            except OSError as error:
                if error.errno in _LATER:
                    self._loop.after(_RETRY_SECONDS, self._flush)
                    if len(self._queue) > self._max_queue:
                        self._loop.unwatch(self.ours.fileno())
                    return
            self._drop_first()
        if self.is_open:
            self._loop.watch(self.ours.fileno(), self._take)

    def _drop_first(self) -> None:
        for fd in self._queue.popleft()[1]:
            os.close(fd)
