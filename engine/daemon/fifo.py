"""The FIFOs of an instance's output and of its access log, as the log pump sees them."""

from __future__ import annotations

import fcntl
import select
import struct
import termios
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.ring import Stream
    from engine.daemon.ring import Ring

MAX_PIPE_BYTES = 1024 * 1024
FIRST_RETRY_SECONDS = 0.05
FLOOD_SECONDS = 0.5
FLOOD_BYTES_A_SECOND = 800_000_000
EBB_BYTES_A_SECOND = 400_000_000
"""A ring that takes more than the first figure over FLOOD_SECONDS is flooded, until it takes less
than the second: counting lines takes a third of the time then, which moving bytes needs."""


class Counters(NamedTuple):
    """What came in from an instance; they only rise while it stays attached."""

    lines: int = 0
    errors: int = 0
    bytes: int = 0


class Phase(Enum):
    """How a FIFO is read at the moment."""

    WATCHED = auto()
    """Empty: the loop tells when something comes."""
    LOOKED_AT = auto()
    """Something came lately: the timer looks again."""
    QUEUED = auto()
    """There is more: its turn comes."""
    HELD_BACK = auto()
    """The disk refuses bytes: tried again later."""
    CLOSED = auto()
    """Detached, or without a writer that could come back."""


class Fifo:
    """One stream of one instance."""

    __slots__ = ("capacity", "eager_turns", "fd", "feed", "phase", "stream")

    def __init__(self, feed: Feed, fd: int, stream: Stream) -> None:
        """Take the reading end; it is looked at first."""
        self.feed = feed
        self.fd = fd
        self.stream = stream
        self.phase = Phase.QUEUED
        self.eager_turns = 0
        """How often it is read again at once though it was found half empty."""
        self.capacity = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)

    def available(self) -> int:
        """Count the bytes in it."""
        answer = fcntl.ioctl(self.fd, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def is_hung_up(self) -> bool:
        """Tell whether its last writer closed it. Not the case for a FIFO we hold read-write."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))

    def widen(self) -> None:
        """Make it hold four times as much, where the kernel allows it."""
        wanted = min(self.capacity * 4, MAX_PIPE_BYTES)
        if wanted <= self.capacity:
            return
        try:
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, wanted)
        except OSError:
            # The user's share of pipe memory is used up; it is read more often then.
            wanted = self.capacity
        self.capacity = wanted


class Feed:
    """FIFOs of one instance and the ring they go into."""

    __slots__ = (
        "_judged_at",
        "_judged_bytes",
        "base",
        "fifos",
        "is_settling",
        "is_troubled",
        "ring",
        "wait_seconds",
    )

    def __init__(self, ring: Ring, ends: Iterable[tuple[int, Stream]]) -> None:
        """Take their reading ends."""
        self.ring = ring
        self.fifos = tuple(Fifo(self, fd, stream) for fd, stream in ends)
        self.base: Counters | None = None
        """What the ring had before; None until that is counted."""
        self.is_settling = False
        self.is_troubled = False
        self.wait_seconds = FIRST_RETRY_SECONDS

        self._judged_at = 0.0
        self._judged_bytes = ring.bytes_total

    def judge(self, now: float) -> bool:
        """Tell by the rate whether it is a flood, and let the ring know."""
        seconds = now - self._judged_at
        if seconds >= FLOOD_SECONDS:
            rate = (self.ring.bytes_total - self._judged_bytes) / seconds
            floor = EBB_BYTES_A_SECOND if self.ring.is_flooded else FLOOD_BYTES_A_SECOND
            self.ring.is_flooded = rate > floor
            self._judged_at, self._judged_bytes = now, self.ring.bytes_total
        return self.ring.is_flooded

    def totals(self) -> Counters:
        """Count the ring's lines ever, and the bytes since it was opened."""
        counted = self.ring.counted
        return Counters(counted.lines, counted.errors, self.ring.bytes_total)
