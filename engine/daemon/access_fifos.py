"""The FIFOs that the doors write access logs into: made, read, and removed again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.daemon.registry import is_instance
from engine.kernel.syscalls.process import open_fifos

if TYPE_CHECKING:
    from pathlib import Path

    from engine.daemon.log_pump import LogPump
    from engine.daemon.registry import Registry

log = logging.getLogger(__name__)

FIFO_BYTES = 256 * 1024
"""What one holds while no engine reads: some thousand lines. Doors keep what comes then."""

LINGER_SECONDS = 1.0
"""How long a log that was turned off is read on: doors learn of it a little later."""


class AccessFifos:
    """One FIFO for each instance whose access log has lines. For the loop's thread.

    It has a name in the run folder, so that the next engine finds it: what is in it lasts as
    long as a door, or an engine, holds it open.
    """

    def __init__(self, folder: Path, pump: LogPump, registry: Registry) -> None:
        """Take the folder of FIFOs, what reads them, and who may have one."""
        self._folder = folder
        self._pump = pump
        self._registry = registry
        self._open: dict[str, int] = {}
        self._ending: dict[str, asyncio.TimerHandle] = {}

    def open(self, name: str) -> int | None:
        """Give the FIFO of an instance's log, which stays ours; None where none is kept."""
        if not self._is_wanted(name):
            return None
        fd = self._open.get(name)
        if fd is None:
            path = self._path(name)
            is_new = not path.exists()
            try:
                (fd,) = open_fifos([str(path)], FIFO_BYTES)
            except OSError as error:
                log.error("no access log of %s: %s", name, error)
                return None
            if is_new:
                # Half a line may be left of one that the keeper took with it.
                self._pump.end_access_line(name)
            self._open[name] = fd
            self._pump.attach_access(name, fd)
        return fd

    def renew(self, name: str) -> None:
        """Let go of a log that is not kept any more."""
        if name in self._open and name not in self._ending and not self._is_wanted(name):
            loop = asyncio.get_running_loop()
            self._ending[name] = loop.call_later(LINGER_SECONDS, self._end, name)

    def close(self) -> None:
        """Read everything out and let go."""
        for timer in self._ending.values():
            timer.cancel()
        for name in list(self._open):
            self._release(name)

    def _end(self, name: str) -> None:
        del self._ending[name]
        if not self._is_wanted(name):
            self._release(name)

    def _release(self, name: str) -> None:
        del self._open[name]  # the pump closes it
        self._pump.detach_access(name)
        with suppress(FileNotFoundError):
            self._path(name).unlink()

    def _is_wanted(self, name: str) -> bool:
        if not is_instance(name) or name not in self._registry.instances:
            return False
        spec = self._registry.config.services.get(name.partition(":")[0])
        return spec is not None and spec.access_log

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.access"
