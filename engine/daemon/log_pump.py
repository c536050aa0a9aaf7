"""Moves what instances write from their FIFOs into their rings, on the loop, fairly.

A FIFO that is quiet is watched by the loop. One that has something is taken off the watch, read
at once, and then looked at again every few milliseconds until it is empty: a program that writes
small pieces costs a wakeup for each look, not for each piece, and its first words still show
without delay. One that fills faster than that is read again in the loop's next turn.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from engine.core.ring import Stream
from engine.daemon.fifo import FIRST_RETRY_SECONDS, Counters, Feed, Fifo, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.daemon.ring import Ring, RingStore

log = logging.getLogger(__name__)

TURN_BYTES = 2 * 1024 * 1024
"""What one FIFO may give before another has its turn."""
TURN_SECONDS = 0.004
"""How long the loop is held before its other work has its turn."""
LOOK_SECONDS = 0.008
"""How often a FIFO that is written to is looked at."""
EAGER_TURNS = 16
"""How often a FIFO that was half full is read again at once: its program is about to fill it."""
SETTLE_BYTES = 1024 * 1024
"""Uncounted bytes of a ring from which on a thread counts its newlines."""
MARK_SECONDS = 1.0
DRAIN_BYTES = 64 * 1024 * 1024
"""What a drain takes at most: the program may be alive and write on."""
MAX_RETRY_SECONDS = 2.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LogPump:
    """Keeps the FIFOs of all instances empty.

    For the loop's thread. Lines are counted on arrival; those that a ring had before, or that
    came in a flood, on a thread of the pump's own once there is time.

    Attributes:
        on_trouble: Called with a name and the error when a ring cannot be written, once until it
            can be again. The bytes stay in the FIFO; the program waits once that is full.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, store: RingStore) -> None:
        """Write into the rings of a store."""
        self.on_trouble: Callable[[str, OSError], None] = _log_trouble
        self._loop = loop
        self._store = store
        self._feeds: dict[str, Feed] = {}
        self._accesses: dict[str, Feed] = {}
        self._queue: deque[Fifo] = deque()
        self._looked_at: list[Fifo] = []
        self._counting = ThreadPoolExecutor(1, "ten-lines")
        self._is_turn_due = False
        self._look: asyncio.TimerHandle | None = None
        self._mark: asyncio.TimerHandle | None = None
        self._dirty: set[Ring] = set()
        self._waiters: dict[str, list[tuple[int, asyncio.Future[None]]]] = {}

    # --- which FIFOs ---

    def attach(self, name: str, stdout: int, stderr: int, limit_bytes: int | None = None) -> None:
        """Read two FIFOs (or pipes) into the ring of an instance; the descriptors are ours then.

        Args:
            name: "service:id"; attached already, it is detached first.
            stdout: Non-blocking.
            stderr: Non-blocking.
            limit_bytes: Size of the ring; None leaves it.

        Raises:
            Refused: Not a valid name.
        """
        if name in self._feeds:
            self.detach(name)
        ends = ((stdout, Stream.STDOUT), (stderr, Stream.STDERR))
        self._feeds[name] = self._begin(Feed(self._store.ring(name, limit_bytes), ends))

    def attach_access(self, name: str, fd: int, limit_bytes: int | None = None) -> None:
        """Read the FIFO of an access log into the ring of an instance, as `attach` does."""
        ends = ((fd, Stream.ACCESS),)
        self._accesses[name] = self._begin(Feed(self._store.ring(name, limit_bytes), ends))

    def _begin(self, feed: Feed) -> Feed:
        for fifo in feed.fifos:
            os.set_blocking(fifo.fd, False)
            self._enqueue(fifo)
        self._settle(feed)
        return feed

    def detach(self, name: str, *, drain: bool = True) -> None:
        """Close the FIFOs of an instance, read out first unless told otherwise.

        What a drain could not write, because the disk is full, stays in the FIFO: whoever else
        holds it open can attach it again.
        """
        feed = self._feeds.get(name)
        if feed is None:
            return
        if drain:
            self._drain(feed)
        del self._feeds[name]
        self._end(feed)

    def detach_access(self, name: str) -> None:
        """Close the FIFO of an access log, read out."""
        feed = self._accesses.pop(name, None)
        if feed is not None:
            self._drain(feed)
            self._end(feed)

    def _end(self, feed: Feed) -> None:
        for fifo in feed.fifos:
            self._close(fifo)
        self._mark_ring(feed.ring)
        self._notify(feed.ring)

    def drain(self, name: str) -> None:
        """Take everything that is in the FIFOs of an instance now into its ring."""
        if (feed := self._feeds.get(name)) is not None:
            self._drain(feed)

    def _drain(self, feed: Feed) -> None:
        for fifo in feed.fifos:
            left = DRAIN_BYTES
            while fifo.phase is not Phase.CLOSED and left > 0 and (size := fifo.available()):
                moved = self._move(fifo, min(size, left))
                if not moved:
                    break
                left -= moved
        self._notify(feed.ring)

    def is_read_out(self, name: str) -> bool:
        """Tell whether nothing is left in the FIFOs of an instance."""
        feed = self._feeds.get(name)
        fifos = feed.fifos if feed is not None else ()
        return not any(each.available() for each in fifos if each.phase is not Phase.CLOSED)

    def names(self) -> list[str]:
        """Name the instances whose FIFOs are read."""
        return sorted(self._feeds)

    def counters(self, name: str) -> Counters:
        """Count what came in since the engine began to read; zeros where it does not.

        In a flood the lines lag behind the bytes, and are guessed in part.
        """
        feed = self._feeds.get(name)
        if feed is None:
            return Counters()
        now, base = feed.totals(), feed.base
        if base is None:
            return Counters(bytes=now.bytes)
        return Counters(now.lines - base.lines, now.errors - base.errors, now.bytes)

    def close(self) -> None:
        """Detach everything, read out."""
        for name in list(self._feeds):
            self.detach(name)
        for name in list(self._accesses):
            self.detach_access(name)
        self._counting.shutdown(wait=True)
        self._mark_all()
        for timer in (self._look, self._mark):
            if timer is not None:
                timer.cancel()

    # --- followers ---

    async def wait(self, name: str, end: int, timeout_seconds: float) -> None:
        """Return when a ring has lines past number `end`, or after a time.

        However fast lines come, those who wait are woken once a turn (TURN_SECONDS) at most.

        Raises:
            NotFound: No ring of that name.
        """
        if self._store.find(name).end > end:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        waiters = self._waiters.setdefault(name, [])
        waiters.append((end, future))
        try:
            async with asyncio.timeout(timeout_seconds):
                await future
        except TimeoutError:
            return
        finally:
            if (end, future) in waiters:
                waiters.remove((end, future))
            if not waiters and self._waiters.get(name) is waiters:
                del self._waiters[name]

    def append(self, name: str, data: bytes, stream: Stream) -> None:
        """Write bytes of our own into a ring, for example that its program was killed."""
        ring = self._store.ring(name)
        ring.append(data, stream)
        self._note_dirty(ring)
        self._notify(ring)

    def end_access_line(self, name: str) -> None:
        """End a line of an access log of which the rest is lost."""
        self._store.ring(name).end_lines((Stream.ACCESS,))

    def _notify(self, ring: Ring) -> None:
        """Wake those who wait for lines that have come."""
        waiters = self._waiters.get(ring.name)
        if waiters:
            lines = ring.counted.lines
            for end, future in waiters:
                if lines > end and not future.done():
                    future.set_result(None)

    # --- turns ---

    def _enqueue(self, fifo: Fifo) -> None:
        fifo.phase = Phase.QUEUED
        self._queue.append(fifo)
        if not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Serve the FIFOs that have something, for TURN_SECONDS at most."""
        self._is_turn_due = False
        deadline = time.monotonic() + TURN_SECONDS
        while self._queue and time.monotonic() < deadline:
            fifo = self._queue.popleft()
            if fifo.phase is Phase.QUEUED:
                self._serve(fifo)
        if self._queue and not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._turn)

    def _serve(self, fifo: Fifo) -> None:
        """Take what is in a FIFO, a turn's worth at most, and decide when to look again."""
        size = fifo.available()
        if size:
            self._move(fifo, min(size, TURN_BYTES))
            if fifo.phase is not Phase.QUEUED:
                return
        if size * 2 >= fifo.capacity:
            fifo.eager_turns = EAGER_TURNS
            fifo.widen()
        else:
            fifo.eager_turns = max(fifo.eager_turns - 1, 0)
        if fifo.eager_turns:
            self._enqueue(fifo)
        else:
            self._leave(fifo, is_empty=not size)
        if not fifo.feed.judge(time.monotonic()):
            self._settle(fifo.feed)

    def _leave(self, fifo: Fifo, *, is_empty: bool) -> None:
        """Leave a FIFO alone until something comes, or for a while."""
        if not is_empty:
            fifo.phase = Phase.LOOKED_AT
            self._looked_at.append(fifo)
            if self._look is None:
                self._look = self._loop.call_later(LOOK_SECONDS, self._look_again)
        elif fifo.is_hung_up():
            fifo.phase = Phase.CLOSED
        else:
            fifo.phase = Phase.WATCHED
            self._loop.add_reader(fifo.fd, self._readable, fifo)

    def _readable(self, fifo: Fifo) -> None:
        self._loop.remove_reader(fifo.fd)
        fifo.phase = Phase.QUEUED
        self._queue.append(fifo)
        self._turn()

    def _look_again(self) -> None:
        self._look = None
        looked_at, self._looked_at = self._looked_at, []
        for fifo in looked_at:
            if fifo.phase is Phase.LOOKED_AT:
                fifo.phase = Phase.QUEUED
                self._queue.append(fifo)
        self._turn()

    def _close(self, fifo: Fifo) -> None:
        if fifo.phase is Phase.WATCHED:
            self._loop.remove_reader(fifo.fd)
        fifo.phase = Phase.CLOSED
        os.close(fifo.fd)

    # --- bytes ---

    def _move(self, fifo: Fifo, size: int) -> int:
        """Splice that many bytes; fewer where the disk refuses them."""
        ring, moved = fifo.feed.ring, 0
        while moved < size:
            try:
                count = ring.splice_from(fifo.fd, fifo.stream, size - moved)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _FULL and ring.evict_oldest():
                    continue
                self._hold_back(fifo, error)
                break
            if not count:
                break
            moved += count
        if moved:
            fifo.feed.is_troubled = False
            fifo.feed.wait_seconds = FIRST_RETRY_SECONDS
            self._note_dirty(ring)
            self._notify(ring)
        return moved

    def _hold_back(self, fifo: Fifo, error: OSError) -> None:
        """Leave the bytes where they are and try again later."""
        feed = fifo.feed
        if fifo.phase is Phase.WATCHED:
            self._loop.remove_reader(fifo.fd)
        if fifo.phase is not Phase.HELD_BACK:
            fifo.phase = Phase.HELD_BACK
            self._loop.call_later(feed.wait_seconds, self._try_again, fifo)
            feed.wait_seconds = min(feed.wait_seconds * 2, MAX_RETRY_SECONDS)
        if not feed.is_troubled:
            feed.is_troubled = True
            self.on_trouble(feed.ring.name, error)

    def _try_again(self, fifo: Fifo) -> None:
        if fifo.phase is Phase.HELD_BACK:
            self._enqueue(fifo)

    # --- lines ---

    def _settle(self, feed: Feed) -> None:
        """Count what is not counted: here if it is little, else on the counting thread."""
        uncounted = 0 if feed.ring.is_counted else feed.ring.uncounted_bytes
        if 0 < uncounted <= SETTLE_BYTES and not feed.is_settling:
            feed.ring.settle()
            uncounted = 0
        if not uncounted:
            if feed.base is None:
                feed.base = feed.totals()
            self._notify(feed.ring)
        elif not feed.is_settling:
            feed.is_settling = True
            done = self._loop.run_in_executor(self._counting, feed.ring.settle)
            done.add_done_callback(lambda future: self._settled(feed, future))

    def _settled(self, feed: Feed, future: asyncio.Future[None]) -> None:
        feed.is_settling = False
        if not future.cancelled() and (error := future.exception()) is not None:
            log.error("counting the lines of %s failed", feed.ring.name, exc_info=error)
        if feed.base is None:
            feed.base = feed.totals()
        self._notify(feed.ring)

    # --- marks ---

    def _note_dirty(self, ring: Ring) -> None:
        self._dirty.add(ring)
        if self._mark is None:
            self._mark = self._loop.call_later(MARK_SECONDS, self._mark_all)

    def _mark_all(self) -> None:
        """Mark in every index what came in during the last second."""
        self._mark = None
        dirty, self._dirty = self._dirty, set()
        for ring in dirty:
            self._mark_ring(ring)
        now = time.monotonic()
        for feed in self._feeds.values():
            if feed.ring in dirty and not feed.judge(now):
                self._settle(feed)

    @staticmethod
    def _mark_ring(ring: Ring) -> None:
        try:
            ring.mark()
        except OSError as error:
            log.warning("%s: no mark in its index: %s", ring.name, error.strerror)


def _log_trouble(name: str, error: OSError) -> None:
    log.error("%s: its output cannot be written: %s", name, error.strerror)
