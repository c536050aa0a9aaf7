"""Where a door writes what it counts: the layout of a memory file that door and engine share.

One header page, then two areas of fixed slots, one slot for an instance. The first area only the
door writes, the second only the engine: there lies what of a slot the engine has put into its
database, so that its successor goes on from it. All numbers are words of 64 bits in the machine's
order, each written by one aligned store: a reader sees the old or the new one, never a mixture.
Different words of a slot may be of different moments; counters only grow, so what one reading
misses the next one has.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.core.doorwire import WAKES
from engine.core.latency import BOUNDS_MS, BUCKETS

if TYPE_CHECKING:
    from collections.abc import Sequence

Words: TypeAlias = "memoryview[int]"
"""Words of the file as they lie there: reading or writing one is one access to the memory."""

MAGIC: Final = 0x31_44_52_41_4F_42_4E_54
"""First word of the file; another layout has another one."""

WORD_BYTES: Final = 8
HEADER_WORDS: Final = 512
"""One page: MAGIC, USED and CLAIMS lie in it."""

USED: Final = 1
"""Header: slots that were ever in use; beyond it no page of the file need be touched."""

CLAIMS: Final = 2
"""Header: grows with every slot taken into use."""

SLOTS: Final = 16_384
"""Instances of one door. A file of 36 MiB, of which only slots in use take memory."""

SHARED_SLOT: Final = 0
"""The one of the instances that found no other free; it has no name. While anything is in flight
there, no instance counts as drained at this door."""

SLOT_WORDS: Final = 144

GENERATION: Final = 0
"""Differs from use to use of a slot, 0: never used. Written last, after name and zeros."""

CHANGES: Final = 1
"""Grows with every change, after it."""

INFLIGHT: Final = 2
LAST_USEC: Final = 3
"""Monotonic clock of the last beginning or end, microseconds."""

REQUESTS: Final = 4
CLIENT_ERRORS: Final = 5
"""Answers of 4xx."""

SERVER_ERRORS: Final = 6
"""Answers of 5xx, the door's own in place of the instance's among them."""

CUT: Final = 7
"""Answers that had begun and broke off."""

LATENCY_USEC: Final = 8
"""Times to the heads of the answers, added up."""

BYTES_IN: Final = 9
BYTES_OUT: Final = 10
WAITS: Final = 11
"""For each of `doorwire.WAKES` a group: how long requests that woke it waited, in microseconds and
added up, then their counts by `engine.core.latency`."""

_WAIT_WORDS: Final = 1 + BUCKETS

HISTOGRAM: Final = WAITS + len(WAKES) * _WAIT_WORDS

FINE_BOUNDS_MS: Final = tuple(
    step * 10**exponent / 20 for exponent in range(5) for step in range(2, 20)
)
"""Log-linear: 0.1 to 9,500 ms, each power of ten in 18 steps of half its size. An error of at
most 50% at a decade's beginning and 5% at its end; every bound of `engine.core.latency` is one of
these, so that the coarse histogram is an exact sum of the fine one."""

FINE: Final = len(FINE_BOUNDS_MS) + 1

NAME: Final = HISTOGRAM + FINE
"""First word of the instance's name: ASCII, ended by a zero byte."""

NAME_BYTES: Final = (SLOT_WORDS - NAME) * WORD_BYTES

ACKS: Final = HEADER_WORDS + SLOTS * SLOT_WORDS
"""First word of the engine's area; its slots are laid out alike."""

FILE_BYTES: Final = (ACKS + SLOTS * SLOT_WORDS) * WORD_BYTES

MOST: Final = 2**48
"""Beyond all that is counted between two readings, and far below what SQLite can add up."""

_COARSE: Final = tuple(bisect_left(BOUNDS_MS, bound) for bound in (*FINE_BOUNDS_MS, float("inf")))


def fine_of(ms: float) -> int:
    """Tell which fine bucket a latency is counted in; a bound belongs to the bucket below it."""
    return bisect_left(FINE_BOUNDS_MS, ms)


def coarse(fine: Sequence[int]) -> list[int]:
    """Sum a fine histogram up to the buckets of `engine.core.latency`; exact, O(FINE)."""
    found = [0] * BUCKETS
    for bucket, count in zip(_COARSE, fine, strict=True):
        found[bucket] += count
    return found


def waits_at(kind: str) -> int:
    """Give the first word of a slot's group for waits, by what was woken."""
    return WAITS + WAKES.index(kind) * _WAIT_WORDS


def slot_at(index: int) -> int:
    """Give the first word of a slot of the door's."""
    return HEADER_WORDS + index * SLOT_WORDS


def ack_at(index: int) -> int:
    """Give the first word of a slot of the engine's."""
    return ACKS + index * SLOT_WORDS


def name_in(raw: bytes) -> str:
    """Read the bytes of a slot's name; "" where it is none that an instance may have."""
    text = raw.partition(b"\0")[0]
    return text.decode("ascii") if text.isascii() else ""


def difference(now: Sequence[int], before: Sequence[int]) -> list[int]:
    """Give what the counters of a slot have grown by, the other words as they are now.

    A counter that fell, or grew by more than `MOST`, counts as nothing: no sound door writes it.
    """
    pairs = zip(now[REQUESTS:NAME], before[REQUESTS:NAME], strict=True)
    grown = (one - other for one, other in pairs)
    return [*now[:REQUESTS], *(each if 0 <= each <= MOST else 0 for each in grown)]
