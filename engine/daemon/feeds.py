"""Output of instances on its way into their rings: which FIFOs are read, and until when."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from engine.core.ring import DEFAULT_LIMIT_BYTES
from engine.core.wire import EventKind
from engine.daemon.access_fifos import AccessFifos
from engine.daemon.log_pump import LogPump
from engine.daemon.ring import RingStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.daemon.journal import Journal
    from engine.daemon.registry import Registry

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.5
"""How long FIFOs are read on after the process ended: a start soon after finds them in place."""

TAIL_LINES = 10
"""Lines of stderr on a why card."""


class Feeds:
    """Attaches FIFOs to rings, and lets them go once they are read out.

    Attributes:
        rings: All rings.
        pump: What moves the bytes.
        access: What reads the access logs.
        on_read_out: Called with a name whose FIFOs are closed here and hold nothing any more.
    """

    def __init__(self, root: Path, registry: Registry, journal: Journal) -> None:
        """Keep rings in a folder."""
        self.rings = RingStore(root)
        self.pump = LogPump(asyncio.get_running_loop(), self.rings)
        self.pump.on_trouble = self._on_trouble
        self.on_read_out: Callable[[str], None] = lambda _: None
        self._registry = registry
        self._journal = journal
        self._attached: set[str] = set()
        self.access = AccessFifos(root.parent / "run" / "fifo", self.pump, registry)
        self._lingering: dict[str, asyncio.TimerHandle] = {}
        self._is_closing = False

    def attach(self, name: str, fifos: tuple[int, int]) -> None:
        """Read the FIFOs of an instance; the descriptors are ours from now on.

        They stay the same from process to process: those of a name that is read already are
        closed.
        """
        lingering = self._lingering.pop(name, None)
        if lingering is not None:
            lingering.cancel()
        if name in self._attached:
            for fd in fifos:
                os.close(fd)
            return
        self._attached.add(name)
        self.pump.attach(name, *fifos, self._limit_of(name))

    def run_out(self, name: str) -> None:
        """Let go of the FIFOs of an instance without a process, once what is in them is read."""
        if name in self._attached and name not in self._lingering:
            self._lingering[name] = asyncio.get_running_loop().call_later(
                LINGER_SECONDS, self._let_go, name
            )

    def limit(self, name: str) -> None:
        """Apply the size that is configured now, and whether there is an access log."""
        self.access.renew(name)
        if name in self._attached:
            self.rings.ring(name).set_limit(self._limit_of(name))

    def end_run(self, name: str) -> None:
        """Read what a process has left, and end its last line: the next run begins its own."""
        if name in self._attached:
            self.pump.drain(name)
            self.rings.ring(name).end_lines()

    async def stderr_tail(self, name: str) -> tuple[str, ...]:
        """Give the last lines of stderr, with what is still in the FIFO."""
        if name not in self._attached:
            return ()
        self.pump.drain(name)
        tail = await asyncio.to_thread(self.rings.ring(name).tail_text, "stderr", TAIL_LINES)
        return tuple(tail)

    async def close(self) -> None:
        """Read everything out and close every ring."""
        self._is_closing = True
        self.access.close()
        for timer in self._lingering.values():
            timer.cancel()
        self._lingering.clear()
        for name in sorted(self._attached):
            self._let_go(name)
        self.pump.close()
        self.rings.close()

    def _let_go(self, name: str) -> None:
        self._lingering.pop(name, None)
        instance = self._registry.instances.get(name)
        if instance is not None and not instance.is_over():
            return  # a start is under way: its answer finds the FIFOs in place
        self.pump.drain(name)
        if not self.pump.is_read_out(name) and not self._is_closing:
            self.run_out(name)  # the disk is full: what the keeper unlinks would be lost
            return
        self._attached.discard(name)
        self.pump.detach(name, drain=True)
        self.on_read_out(name)

    def _limit_of(self, name: str) -> int:
        instance = self._registry.instances.get(name)
        if instance is not None:
            return instance.spec.log_limit_bytes
        spec = self._registry.config.services.get(name.partition(":")[0])
        return spec.log_limit_bytes if spec is not None else DEFAULT_LIMIT_BYTES

    def _on_trouble(self, name: str, error: OSError) -> None:
        self._journal.add(
            EventKind.LOG,
            f"{name}: its output cannot be written: {error.strerror}; it waits meanwhile",
            level="error",
            instance=name,
        )
