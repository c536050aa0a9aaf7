"""A search through a ring in short steps: on the loop between other work, or at once elsewhere."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import TYPE_CHECKING

from engine.core.errors import Refused
from engine.core.logquery import BACKTRACK_HINT
from engine.core.wire import LogMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from engine.core.loglines import LineReader
    from engine.core.logsegment import LineFilter
    from engine.core.wire import LogLine
    from engine.daemon.ring import Ring

STEP_SECONDS = 0.008
"""How long a search holds the loop before it lets others run."""
PATTERN_SECONDS = 0.2
"""How long one use of a regex may take; one that steps through lines takes a thousandth."""


class Search:
    """Looks for wanted lines, from a line on or back from it.

    Attributes:
        lines: Those found, in the search's direction.
        next: Where to go on; -1 once the ring is done.
        is_done: Enough was found, or the ring is done.
    """

    def __init__(
        self,
        ring: Ring,
        wanted: LineFilter,
        first: int | None,
        *,
        is_backward: bool = False,
        limit: int = 1,
    ) -> None:
        """Begin at line `first`; None: at the oldest, or backward at the newest."""
        if first is None:
            first = (1 << 62) if is_backward else 0
        self.lines: list[LogLine] = []
        self.next = first
        self.is_done = limit < 1
        self._ring = ring
        self._wanted = wanted
        self._is_backward = is_backward
        self._limit = limit
        self._reader: LineReader | None = None
        self._matches: Iterator[LogLine | None] = iter(())

    def step(self, seconds: float) -> bool:
        """Search on for a while, and for one region at least; say whether it is done.

        Raises:
            Refused: A regex takes too long, or is used on a thread that cannot stop it.
        """
        deadline = time.monotonic() + seconds
        begun_at = self.next
        while not self.is_done:
            try:
                self._step(deadline, begun_at)
                break
            except FileNotFoundError:
                # Evicted while we read it: go on with what is kept.
                self._note_reached()
                self._reader = None
                if time.monotonic() >= deadline and self.next != begun_at:
                    break
        return self.is_done

    def _step(self, deadline: float, begun_at: int) -> None:
        if self._reader is None:
            self._reader = self._ring.reader()
            if self._is_backward:
                self.next = min(self.next, self._reader.end - 1)
            self._matches = self._reader.matching(
                self._wanted, self.next, is_backward=self._is_backward
            )
        for line in self._matches:
            if line is None:
                if time.monotonic() >= deadline:
                    self._note_reached()
                    if self.next != begun_at:
                        return
                continue
            self.lines.append(line)
            self.next = line.number + (-1 if self._is_backward else 1)
            if len(self.lines) >= self._limit:
                self.is_done = True
                if not self._reader.oldest <= self.next < self._reader.end:
                    self.next = -1
                return
        self.next, self.is_done = -1, True

    def _note_reached(self) -> None:
        place = self._reader.reached if self._reader is not None else None
        if place is not None:
            self.next = min(self.next, place) if self._is_backward else max(self.next, place)

    async def run(self, seconds: float) -> None:
        """Search for at most that long, leaving the loop free every few milliseconds."""
        deadline = time.monotonic() + seconds
        while not self.step(STEP_SECONDS):
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(0)  # gives way; there is nothing to wait for

    def matches(self) -> LogMatches:
        """Give what was found so far, for the wire."""
        return LogMatches(name=self._ring.name, lines=self.lines, next=self.next)


class _TakesTooLongError(Exception):
    """Raised by the alarm inside a regex."""


_is_armed = False


def guard_pattern(search: Callable[[], int]) -> int:
    """Run one use of a regex, and end it if it does not end by itself.

    Python's `re` holds the interpreter while it works, and looks for signals only: so the main
    thread's virtual timer ends it. Elsewhere there is no way to end it.

    Raises:
        Refused: It took too long, or this is not the main thread.
    """
    global _is_armed  # noqa: PLW0603 - the process has one such timer
    if threading.current_thread() is not threading.main_thread():
        raise Refused("A regex search runs on the engine's own thread")
    if signal.getsignal(signal.SIGVTALRM) is not _alarm:
        signal.signal(signal.SIGVTALRM, _alarm)
    try:
        _is_armed = True
        signal.setitimer(signal.ITIMER_VIRTUAL, PATTERN_SECONDS)
        return search()
    except _TakesTooLongError as error:
        raise Refused("The pattern takes too long", hint=BACKTRACK_HINT) from error
    finally:
        _is_armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _alarm(_number: int, _frame: FrameType | None) -> None:
    if _is_armed:
        raise _TakesTooLongError
