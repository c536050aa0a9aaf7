"""The ways out of instances: made for each launch, and watched over; taken down if unneeded."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.core.errors import TenError
from engine.core.network import Network
from engine.core.wire import EventKind
from engine.daemon import tasks
from engine.kernel import nftables
from engine.runtime.outbound import Outlet

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from engine.core.network import Way
    from engine.core.outbound import Outbound
    from engine.daemon.journal import Journal
    from engine.daemon.registry import Registry

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""So often it is seen whether the host's way out is another one now."""

_SETTLE_SECONDS = 0.1
_READ_BYTES = 1 << 16


class Ways:
    """The engine's hold on them; what blocks is done in threads, one after the other."""

    def __init__(self, registry: Registry, journal: Journal, run_dir: Path, group: str) -> None:
        """Take what says who needs one; nothing is done yet."""
        self._registry = registry
        self._journal = journal
        self._outlet = Outlet(run_dir, group)
        self._busy = asyncio.Lock()
        self._is_changed = asyncio.Event()
        self._watch: socket.socket | None = None
        self._is_kept = False
        self._said = ""

    async def open(self) -> tuple[Way, int]:
        """Make a way; whoever gets the descriptor closes it once a process is in.

        Raises:
            TenError: It cannot be had; nothing is left.
            OSError: The kernel refuses.
        """
        async with self._busy:
            made = await asyncio.to_thread(self._outlet.open, self._outbound)
        self.begin()
        return made

    def begin(self) -> None:
        """Watch over what there is, also from an engine before; called again it does nothing."""
        if self._is_kept or not self._outlet.is_up():
            return
        self._is_kept = True
        self.renew()  # nobody has watched until now
        try:
            self._watch = nftables.open_watch()
        except OSError as error:
            log.warning("changes of the packet filter are not seen at once: %s", error)
        else:
            asyncio.get_running_loop().add_reader(self._watch, self._on_change)
        tasks.spawn(self._keep(), name="ways out")

    def renew(self) -> None:
        """Look soon: the configuration, or something on the host, is another."""
        self._is_changed.set()

    @property
    def _outbound(self) -> Outbound:
        return self._registry.config.settings.outbound

    def _is_needed(self) -> bool:
        is_asked = any(
            spec.network is Network.OUTBOUND for spec in self._registry.config.services.values()
        )
        return is_asked or any(
            each.process is not None and each.process.blob.network == Network.OUTBOUND
            for each in self._registry
        )

    def _on_change(self) -> None:
        assert self._watch is not None  # noqa: S101 - it has called
        try:
            while self._watch.recv(_READ_BYTES):
                pass
        except BlockingIOError:
            pass
        except OSError:  # ENOBUFS: there was more than could be held, so something has changed
            log.debug("changes of the packet filter were missed")
        self.renew()

    async def _keep(self) -> None:
        """Look again every while, and at once when somebody has changed the packet filter."""
        while self._outlet.is_up():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._is_changed.wait()
                    await asyncio.sleep(_SETTLE_SECONDS)  # several changes make one look
            except TimeoutError:
                pass
            self._is_changed.clear()
            if self._registry.is_stopping:
                break
            await self._look()
        self._close_watch()
        self._is_kept = False

    async def _look(self) -> None:
        work = self._refresh if self._is_needed() else self._outlet.take_down
        try:
            async with self._busy:
                await asyncio.to_thread(work)
            self._said = ""
        except (TenError, OSError) as error:
            if self._said != str(error):
                text = f"instances with a way out: {error}"
                self._journal.add(EventKind.ENGINE, text, level="warning")
            self._said = str(error)

    def _refresh(self) -> None:
        self._outlet.refresh(self._outbound)

    def _close_watch(self) -> None:
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch)
            self._watch.close()
            self._watch = None
