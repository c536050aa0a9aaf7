"""Lines of the access log on their way from a door into the instances' rings.

Each instance whose log is on has a FIFO for it, which the engine makes and reads like the ones of
the program's own output, so that nothing is lost or repeated by the engine's death: what is in the
FIFO stays there as long as a door holds it open. A door asks for the FIFO when it has the first
line for an instance. All doors write into the same one; what they write at once is never longer
than a pipe takes whole.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from engine.core.accesslog import LINE_BYTES, lost_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Container

HELD_BYTES = 8 * 1024 * 1024
"""Lines a door keeps for all instances while the engine is away and the FIFOs are full.

New ones are dropped then, and how many is said by a line of their instance's log.
"""

GATHER_SECONDS = 0.005
"""How long lines are gathered: writing each by itself cost three times as much."""

RETRY_SECONDS = 0.05
END_SECONDS = 0.5
"""How long a door that ends tries to get rid of what it still holds."""


class _Log:
    """What is held for one instance, and where it goes."""

    __slots__ = ("fd", "lines", "lost")

    def __init__(self) -> None:
        self.fd = -1
        self.lines: deque[bytes] = deque()
        self.lost = 0


class AccessLogs:
    """The access logs of one door's instances."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ask: Callable[[str], None]) -> None:
        """Begin empty; `ask` asks the engine for the FIFO of an instance."""
        self._loop = loop
        self._ask = ask
        self._logs: dict[str, _Log] = {}
        self._held_bytes = 0
        self._is_due = False

    def write(self, name: str, line: bytes) -> None:
        """Write a line into the log of an instance, with the others of GATHER_SECONDS."""
        if not name:
            return
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = _Log()
            self._ask(name)
        if self._held_bytes + len(line) > HELD_BYTES:
            log.lost += 1
            return
        if log.lost:
            said = lost_line(log.lost, time.time_ns() / 1e9)
            log.lines.append(said)
            self._held_bytes += len(said)
            log.lost = 0
        log.lines.append(line)
        self._held_bytes += len(line)
        if log.fd >= 0 and not self._is_due:
            self._is_due = True
            self._loop.call_later(GATHER_SECONDS, self.flush)

    def take(self, name: str, fd: int | None) -> None:
        """Take the FIFO of an instance; None: there is none to be had, and no log to be kept."""
        log = self._logs.get(name)
        if log is None or fd is None:
            self._drop(name)
            if fd is not None:
                os.close(fd)
            return
        if log.fd >= 0:
            os.close(log.fd)
        log.fd = fd
        self.flush()

    def ask_again(self) -> None:
        """Ask for every FIFO anew: another engine has to read them."""
        for name in self._logs:
            self._ask(name)

    def keep(self, services: Container[str]) -> None:
        """Write out and forget the logs of all but some services: a table turned them off."""
        for name in [name for name in self._logs if name.partition(":")[0] not in services]:
            self._write_out(self._logs[name])
            self._drop(name)

    def flush(self) -> None:
        """Write what is held; what the FIFOs do not take is tried again a little later."""
        self._is_due = False
        for log in self._logs.values():
            if log.lines and log.fd >= 0 and not self._write_out(log):
                self._is_due = True
        if self._is_due:
            self._loop.call_later(RETRY_SECONDS, self.flush)

    def close(self) -> None:
        """Write what is held, waiting for END_SECONDS at most, and close the FIFOs."""
        deadline = time.monotonic() + END_SECONDS
        for log in self._logs.values():
            while log.fd >= 0 and not self._write_out(log):
                rest = deadline - time.monotonic()
                if rest <= 0 or not select.select([], [log.fd], [], rest)[1]:
                    break
        for name in list(self._logs):
            self._drop(name)

    def _write_out(self, log: _Log) -> bool:
        """Write whole lines; tell whether nothing is left, or nothing will ever be taken."""
        lines = log.lines
        while lines and log.fd >= 0:
            count, size = 0, 0
            for line in lines:
                if count and size + len(line) > LINE_BYTES:
                    break
                count, size = count + 1, size + len(line)
            pieces = [lines.popleft() for _ in range(count)]
            try:
                os.write(log.fd, b"".join(pieces))
            except BlockingIOError:
                lines.extendleft(reversed(pieces))
                return False
            self._held_bytes -= size
        return True

    def _drop(self, name: str) -> None:
        log = self._logs.pop(name, None)
        if log is not None:
            self._held_bytes -= sum(map(len, log.lines))
            if log.fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(log.fd)
