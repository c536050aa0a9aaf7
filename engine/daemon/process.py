"""The process of an instance, as the engine holds it: by pidfd and cgroup."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.core.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.keeperwire import Blob
    from engine.kernel.cgroup import Cgroup

log = logging.getLogger(__name__)

EMPTY_SECONDS = 2.0
"""How long the rest of a cgroup may take to die after cgroup.kill."""


class LiveProcess:
    """A process the keeper started for us.

    Attributes:
        pid: The process whose end is the instance's end: the program, or its PID 1 or reaper.
        start_ticks: Of `pid`; tells it from another that gets its number.
        main_pid: The program itself.
        blob: What was given to the keeper with the launch.
        cgroup: None where no v2 tree is writable.
        is_ending: Its end was seen and is being dealt with.
    """

    def __init__(
        self,
        pids: tuple[int, int],
        pidfd: int,
        blob: Blob,
        cgroup: Cgroup | None,
        start_ticks: int = 0,
    ) -> None:
        """Hold it; `pids` are pid and main_pid. The pidfd is closed with it."""
        self.pid, self.main_pid = pids
        self.start_ticks = start_ticks
        self.blob = blob
        self.cgroup = cgroup
        self._pidfd = pidfd
        self._is_watched = False
        self.is_ending = False

    @property
    def has_own_network(self) -> bool:
        """Whether it is in a network namespace of its own."""
        return self.blob.network not in {"", Network.HOST}

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call back, once, as soon as it has ended."""

        def ended() -> None:
            self.unwatch()
            on_end()

        self._is_watched = True
        try:
            asyncio.get_running_loop().add_reader(self._pidfd, ended)
        except PermissionError:
            # No pidfd but a stand-in for one: the process had ended before anybody could open it.
            asyncio.get_running_loop().call_soon(ended)

    def is_alive(self) -> bool:
        """Tell whether it has not ended. Source: pidfd_open(2), "poll"."""
        if self._pidfd < 0:
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return not poll.poll(0)

    def terminate(self) -> None:
        """Send SIGTERM to the program's process group, by way of its reaper if it has one."""
        if not self.is_alive():
            return
        with suppress(ProcessLookupError):
            if self.pid == self.main_pid:
                os.killpg(self.main_pid, signal.SIGTERM)
            else:
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def kill(self) -> None:
        """End everything in its cgroup; nothing happens where it has none."""
        if self.cgroup is not None:
            with suppress(OSError):  # it is gone
                self.cgroup.kill()

    async def end_rest(self) -> None:
        """End what the program left behind in its cgroup, and wait until it is gone."""
        if self.cgroup is not None:
            await end_all(self.cgroup)

    def close(self) -> None:
        """Let go of it, and remove its cgroup if that is empty."""
        self.unwatch()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self.cgroup is not None:
            drop(self.cgroup)
            self.cgroup = None

    def unwatch(self) -> None:
        """Call back no more."""
        if self._is_watched:
            self._is_watched = False
            asyncio.get_running_loop().remove_reader(self._pidfd)


async def end_all(cgroup: Cgroup) -> None:
    """Kill everything in a cgroup until nothing is left, for EMPTY_SECONDS at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + EMPTY_SECONDS
    pause = 0.0005
    while cgroup.is_populated():
        with suppress(FileNotFoundError):
            cgroup.kill()
        if loop.time() > deadline:
            log.error("%s still has processes after cgroup.kill", cgroup.path)
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)


def drop(cgroup: Cgroup) -> None:
    """Remove a cgroup that is empty; one with processes that cannot die stays."""
    if cgroup.is_populated():
        cgroup.close()
        log.warning("%s is left behind: it has processes that do not die", cgroup.path)
        return
    try:
        cgroup.remove()
    except OSError as error:
        log.warning("%s is left behind: %s", cgroup.path, error)
