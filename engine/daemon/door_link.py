"""The engine's ends of its links to the doors."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import TYPE_CHECKING

import msgspec

from engine.core import doorwire as wire
from engine.daemon.packets import PacketLink, close_all

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

log = logging.getLogger(__name__)

_SEALS = 0x0F
"""F_SEAL_SEAL, SHRINK, GROW and WRITE. Source: fcntl(2), "File Sealing"."""
_F_ADD_SEALS = 1033


class DoorLink:
    """One door.

    Attributes:
        version: Of the table it said it routes by; -1 until it spoke.
        inflight: Requests at this door now, by instance name.
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
        self.inflight: dict[str, int] = {}
        self._on_message = on_message
        self._table: tuple[int, int] | None = None
        self._link = PacketLink(
            end, on_packet=self._take, on_end=self._ended, on_clear=self._send_table
        )
        self._link.send(wire.encode(wire.EngineHello(epoch=time.monotonic_ns())))

    def send(self, message: wire.EngineMessage) -> None:
        """Send a message in its turn."""
        self._link.send(wire.encode(message))

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

    def has_drained(self, name: str, version: int) -> bool:
        """Tell whether it applied a table as new as that and has no request for the instance."""
        return self.version >= version and not self.inflight.get(name)

    def _send_table(self) -> None:
        if self._table is not None:
            version, table = self._table
            self._table = None
            self._link.send(wire.encode(wire.TableIs(version=version)), [table])
            os.close(table)

    def _take(self, data: bytes, fds: list[int]) -> None:
        close_all(fds)
        try:
            message = wire.decode_from_door(data)
        except msgspec.DecodeError as error:
            log.error("door %d sent what nobody understands: %s", self.index, error)
            return
        if not isinstance(message, wire.Wake):
            self.version = message.version
        if isinstance(message, wire.Stats):
            for name, stats in message.instances.items():
                if stats.inflight:
                    self.inflight[name] = stats.inflight
                else:
                    self.inflight.pop(name, None)
        self._on_message(self, message)

    def _ended(self) -> None:
        log.error("the link to door %d is gone", self.index)


class Doors:
    """All doors.

    Args of the callbacks: the name a door wants woken; the figures of instances by name.
    """

    def __init__(
        self,
        on_wake: Callable[[str], None],
        on_stats: Callable[[dict[str, wire.InstanceStats]], None],
    ) -> None:
        """Begin without a door."""
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
            self._links.pop(index).close()
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

    def fail_wake(self, name: str, reason: str, retry_after: float = 0.0) -> None:
        """Have whoever waits for an instance answered."""
        message = wire.WakeFailed(name=name, reason=reason[:1000], retry_after=retry_after)
        for link in self._links.values():
            link.send(message)

    def inflight(self, name: str) -> int:
        """Count requests for an instance at all doors."""
        return sum(link.inflight.get(name, 0) for link in self._links.values())

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
            case wire.Stats():
                self._on_stats(message.instances)
        if self._drains:
            self._look_at_drains()

    def _look_at_drains(self) -> None:
        for name, (version, then) in list(self._drains.items()):
            if all(link.has_drained(name, version) for link in self._links.values()):
                del self._drains[name]
                then()
