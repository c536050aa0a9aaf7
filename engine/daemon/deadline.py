"""A time limit that takes a stall of this process into account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_LATE_SECONDS = 0.1


class Deadline:
    """A timeout that does not blame the target for a stall of this process.

    Where the loop wakes too late (suspended, overloaded), answers may lie unread in their
    sockets while the timer fires first: then there is one second more to read them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Take the loop it runs on; the time counts from now."""
        self._loop = loop
        self._at = loop.time() + seconds
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        """Begin to watch."""
        await self._timeout.__aenter__()
        self._timer = self._loop.call_at(self._at, self._fire)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; TimeoutError is raised where it was too late."""
        if self._timer is not None:
            self._timer.cancel()
        # Raises TimeoutError in the place of the cancellation it caused.
        await self._timeout.__aexit__(kind, error, trace)

    def _fire(self) -> None:
        now = self._loop.time()
        is_late = now - self._at > _LATE_SECONDS
        self._timeout.reschedule(now + 1.0 if is_late else now)
