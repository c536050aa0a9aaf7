"""What a door counts of an instance's traffic, and what of that the engine is told of."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from engine.core import board as at

# By name: all of this is done for every request.
from engine.core.board import (
    CHANGES,
    FINE_BOUNDS_MS,
    HISTOGRAM,
    INFLIGHT,
    LAST_USEC,
    LATENCY_USEC,
    REQUESTS,
)
from engine.core.doorwire import InstanceStats, Stats
from engine.core.latency import bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.door.board import Board

BATCH = 300
"""Instances in one message, so that it stays below the limit."""


class Traffic:
    """Counts the traffic of one instance on the board, once there is any.

    Attributes:
        inflight: Requests, streams and tunnels that have begun and not ended.
        is_draining: By the table it drains or is frozen: the last one's end is told at once.
        is_changed: There is something to tell; only of one that drains the engine is told.
    """

    __slots__ = (
        "_board",
        "_on_drained",
        "_slot",
        "_words",
        "inflight",
        "is_changed",
        "is_draining",
        "last",
        "name",
    )

    def __init__(self, name: str, on_drained: Callable[[], None], board: Board | None) -> None:
        """Begin with nothing; without a board nothing but what is under way is counted."""
        self.name = name
        self.inflight = 0
        self.last = 0.0
        self.is_draining = False
        self.is_changed = False
        self._on_drained = on_drained
        self._board = board
        self._slot = at.SHARED_SLOT
        # Until the first request the numbers go to a slot of nobody's.
        self._words: at.Words = _NOWHERE

    def woken(self, kind: str, ms: float) -> None:
        """Note that a request which asked for it to be woken has begun there, after so long."""
        words, start = self._words, at.waits_at(kind)
        words[start] += int(ms * 1000.0)
        words[start + 1 + bucket_of(ms)] += 1
        words[CHANGES] += 1

    def begin(self, now: float) -> None:
        """Note that a request goes to the instance, at a monotonic time."""
        self.inflight += 1
        self.last = now
        self.is_changed = True
        if self._words is _NOWHERE:
            self._claim()
        words = self._words
        words[INFLIGHT] += 1
        words[LAST_USEC] = int(now * 1e6)
        words[CHANGES] += 1

    def answered(self, ms: float, *, status: int) -> None:
        """Note that the head of its answer has come, or that none will."""
        words = self._words
        words[REQUESTS] += 1
        if status >= 400:
            words[at.SERVER_ERRORS if status >= 500 else at.CLIENT_ERRORS] += 1
        words[LATENCY_USEC] += int(ms * 1000.0)
        words[HISTOGRAM + bisect_left(FINE_BOUNDS_MS, ms)] += 1
        words[CHANGES] += 1

    def failed(self) -> None:
        """Note that an answer that had begun was cut."""
        self._words[at.CUT] += 1
        self._words[CHANGES] += 1

    def carried_in(self, size: int) -> None:
        """Note bytes of a request's body; seen with the next beginning, answer or end."""
        self._words[at.BYTES_IN] += size

    def carried_out(self, size: int) -> None:
        """Note bytes of an answer's body; seen with the next beginning, answer or end."""
        self._words[at.BYTES_OUT] += size

    def end(self, now: float) -> None:
        """Note that a request has ended, well or not."""
        self.inflight -= 1
        self.last = now
        self.is_changed = True
        words = self._words
        words[LAST_USEC] = int(now * 1e6)
        words[INFLIGHT] -= 1
        words[CHANGES] += 1
        if self.is_draining and not self.inflight:
            self._on_drained()

    def leave(self) -> None:
        """Give its slot back; nothing is in flight."""
        if self._board is not None and self._words is not _NOWHERE:
            self._board.release(self._slot)
        self._words = _NOWHERE

    def snapshot(self, to_wall: float) -> InstanceStats:
        """Give what is told of it; `to_wall` brings monotonic times to the wall clock's."""
        last = self.last + to_wall if self.last else 0.0
        return InstanceStats(inflight=self.inflight, last=last)

    def _claim(self) -> None:
        if self._board is not None:
            self._slot, self._words = self._board.claim(self.name)
        else:
            self._words = memoryview(bytearray(at.SLOT_WORDS * at.WORD_BYTES)).cast("Q")


_NOWHERE: at.Words = memoryview(bytearray(at.SLOT_WORDS * at.WORD_BYTES)).cast("Q")


def batches(version: int, traffic: Iterable[Traffic]) -> Iterator[tuple[Stats, list[Traffic]]]:
    """Give messages on those that drain, each with whom it tells of."""
    to_wall = time.time_ns() / 1e9 - time.monotonic()
    every = list(traffic)
    for start in range(0, len(every), BATCH):
        part = every[start : start + BATCH]
        instances = {one.name: one.snapshot(to_wall) for one in part}
        yield Stats(version=version, instances=instances), part
