"""The engine's ends of its links to the doors."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

import msgspec

from engine.core import doorwire as wire
from engine.daemon.door_board import Board, BoardUnusable
from engine.daemon.packets import PacketLink, close_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_SEALS = 0x0F
"""F_SEAL_SEAL, SHRINK, GROW and WRITE. Source: fcntl(2), "File Sealing"."""
_F_ADD_SEALS = 1033


class DoorLink:
    """One door.

    Attributes:
        version: Of the table it said it routes by; -1 until it spoke.
        board: What it counts; None until it spoke.
    """

    def __init__(
        self,
        index: int,
        pid: int,
        end: socket.socket,
        on_message: Callable[[DoorLink, wire.DoorMessage], None],
    ) -> None:
        """Take the socket over and greet."""
        self.index = index
        self.pid = pid
        self.version = -1
        self.board: Board | None = None
        self._inflight: dict[str, int] = {}
        self._on_message = on_message
        self._table: tuple[int, int] | None = None
        self._link = PacketLink(
            end, on_packet=self._take, on_end=self._ended, on_clear=self._send_table
        )
        self._link.send(wire.encode(wire.EngineHello(epoch=time.monotonic_ns())))

    def send(self, message: wire.EngineMessage, fds: Sequence[int] = ()) -> None:
        """Send a message in its turn; descriptors stay the caller's."""
        self._link.send(wire.encode(message), fds)

    def send_table(self, version: int, table: int) -> None:
        """Send a table; one that still waits for a slow door is skipped for it."""
        if self._table is not None:
            os.close(self._table[1])
        self._table = (version, os.dup(table))
        if self._link.is_clear:
            self._send_table()

    def close(self) -> None:
        """Leave; the door is gone or replaced."""
        self._link.close()
        if self._table is not None:
            os.close(self._table[1])
            self._table = None
        if self.board is not None:
            self.board.close()
            self.board = None

    def has_drained(self, name: str, version: int) -> bool:
        """Tell whether it applied a table as new as that and has no request for the instance."""
        if self.version < version or self.inflight(name):
            return False
        return self.board is None or not self.board.is_shared_busy()

    def inflight(self, name: str) -> int:
        """Count its requests for an instance now; without a board, by its last word of it."""
        if self.board is not None:
            return self.board.inflight(name)
        return self._inflight.get(name, 0)

    def _send_table(self) -> None:
        if self._table is not None:
            version, table = self._table
            self._table = None
            self._link.send(wire.encode(wire.TableIs(version=version)), [table])
            os.close(table)

    def _take(self, data: bytes, fds: list[int]) -> None:
        try:
            message = wire.decode_from_door(data)
            if isinstance(message, wire.DoorHello) and fds and self.board is None:
                self.board = Board(fds[0])
        except (msgspec.DecodeError, OSError, BoardUnusable) as error:
            log.error("door %d sent what nobody understands: %s", self.index, error)
            return
        finally:
            close_all(fds)
        if isinstance(message, wire.DoorHello | wire.Stats):
            self.version = message.version
        if isinstance(message, wire.Stats):
            for name, stats in message.instances.items():
                if stats.inflight:
                    self._inflight[name] = stats.inflight
                else:
                    self._inflight.pop(name, None)
        self._on_message(self, message)

    def _ended(self) -> None:
        log.error("the link to door %d is gone", self.index)


class Doors:
    """All doors.

    Args of the callbacks: the name a door wants woken; the figures of instances by name; the name
    whose access log a door has lines for, to be answered by the descriptor of its FIFO.
    """

    def __init__(
        self,
        on_wake: Callable[[str], None],
        on_stats: Callable[[dict[str, wire.InstanceStats]], None],
        access_pipe: Callable[[str], int | None] = lambda _: None,
        on_crowd: Callable[[str, int], None] = lambda _key, _count: None,
    ) -> None:
        """Begin without a door."""
        self._on_crowd = on_crowd
        self._access_pipe = access_pipe
        self._on_wake = on_wake
        self._on_stats = on_stats
        self._links: dict[int, DoorLink] = {}
        self._table: tuple[int, int] | None = None
        self._drains: dict[str, tuple[int, Callable[[], None]]] = {}

    def pids(self) -> list[int]:
        """Give the processes of the doors."""
        return [link.pid for link in self._links.values()]

    def add(self, index: int, pid: int, end: socket.socket, *, is_new: bool) -> None:
        """Take a door in the place of the one with its index.

        Args:
            index: Its place among the doors.
            pid: Its process.
            end: Our end of its link.
            is_new: It was started just now, so it has no request yet.
        """
        if index in self._links:
            old = self._links.pop(index)
            if old.board is not None:
                # What the dead one counted after the last reading.
                self._on_stats(old.board.read())
            old.close()
        link = self._links[index] = DoorLink(index, pid, end, self._take)
        if is_new:
            link.version = self._table[0] if self._table else 0
        if self._table is not None:
            link.send_table(*self._table)
        self._look_at_drains()

    def publish(self, table: wire.RouteTable) -> None:
        """Have every door route by a table from now on."""
        file = os.memfd_create("ten-table", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        data = memoryview(wire.encode(table))
        while data:
            data = data[os.write(file, data) :]
        fcntl.fcntl(file, _F_ADD_SEALS, _SEALS)
        if self._table is not None:
            os.close(self._table[1])
        self._table = (table.version, file)
        for link in self._links.values():
            link.send_table(table.version, file)

    def show(self, name: str, entry: wire.RouteInstance) -> None:
        """Have every door know that an instance takes requests, ahead of the next table."""
        message = wire.InstanceIs(name=name, entry=entry)
        for link in self._links.values():
            link.send(message)

    def fail_wake(self, name: str, reason: str, retry_after: float = 0.0) -> None:
        """Have whoever waits for an instance answered."""
        message = wire.WakeFailed(name=name, reason=reason[:1000], retry_after=retry_after)
        for link in self._links.values():
            link.send(message)

    def inflight(self, name: str) -> int:
        """Count requests for an instance at all doors."""
        return sum(link.inflight(name) for link in self._links.values())

    def read(self) -> None:
        """Have what every door has counted since the last time taken."""
        for link in self._links.values():
            if link.board is not None:
                self._on_stats(link.board.read())

    def acknowledge(self) -> None:
        """Note at the doors that all that was read is in the database."""
        for link in self._links.values():
            if link.board is not None:
                link.board.acknowledge()

    def await_drain(self, name: str, version: int, then: Callable[[], None]) -> None:
        """Call back once no door has a request for it, under a table of that version or newer."""
        self._drains[name] = (version, then)
        self._look_at_drains()

    def forget_drain(self, name: str) -> None:
        """Wait for it no more."""
        self._drains.pop(name, None)

    def close(self) -> None:
        """Leave all doors."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        if self._table is not None:
            os.close(self._table[1])
            self._table = None

    def _take(self, link: DoorLink, message: wire.DoorMessage) -> None:
        match message:
            case wire.DoorHello():
                link.pid = message.pid
            case wire.Wake():
                self._on_wake(message.name)
            case wire.Crowded():
                self._on_crowd(message.key, message.waiting)
            case wire.Stats():
                self._on_stats(message.instances)
            case wire.AccessWanted(name=name):
                fd = self._access_pipe(name)
                link.send(wire.AccessPipe(name=name), [] if fd is None else [fd])
        if self._drains:
            self._look_at_drains()

    def _look_at_drains(self) -> None:
        for name, (version, then) in list(self._drains.items()):
            if all(link.has_drained(name, version) for link in self._links.values()):
                del self._drains[name]
                then()
