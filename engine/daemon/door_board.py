"""Reads what the doors count out of their memory files: no message, no copy of what is at rest."""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from array import array
from typing import TYPE_CHECKING

from engine.core import board as at
from engine.core.doorwire import WAKES, InstanceStats
from engine.core.latency import BUCKETS, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.board import Words

_F_GET_SEALS = 1034
_SEALS = 0x02 | 0x04
"""F_SEAL_SHRINK and F_SEAL_GROW: who may shorten the file could end us by SIGBUS."""

_LATEST_SECONDS = 1e9


class BoardUnusable(ValueError):  # noqa: N818 - named by situation
    """A door gave a file that is none of these, or not sealed."""


class Board:
    """What one door counts. The door is not trusted: numbers may be wrong, never harmful."""

    def __init__(self, fd: int) -> None:
        """Map a door's file; the descriptor stays the caller's.

        Raises:
            BoardUnusable: It is of another size or layout, or could be shortened.
            OSError: It cannot be mapped.
        """
        try:
            seals = fcntl.fcntl(fd, _F_GET_SEALS)
        except OSError as error:
            raise BoardUnusable("no memory file") from error
        if seals & _SEALS != _SEALS or os.fstat(fd).st_size != at.FILE_BYTES:
            message = f"seals {seals:#x}, {os.fstat(fd).st_size} bytes"
            raise BoardUnusable(message)
        self._map = mmap.mmap(fd, at.FILE_BYTES)
        self._words: Words = memoryview(self._map).cast("Q")
        if self._words[0] != at.MAGIC:
            self.close()
            raise BoardUnusable("another layout")
        self._claims = -1
        self._generations: list[int] = []
        self._names: dict[int, str] = {}
        self._slots_of: dict[str, list[int]] = {}
        self._changes: list[int] = []
        self._again: set[int] = set()
        self._taken: dict[int, list[int]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._words.release()
        self._map.close()

    def inflight(self, name: str) -> int:
        """Count the requests for an instance at this moment."""
        self._learn()
        slots = self._slots_of.get(name, ())
        counts = (self._words[at.slot_at(index) + at.INFLIGHT] for index in slots)
        return min(sum(counts), at.MOST)

    def is_shared_busy(self) -> bool:
        """Tell whether requests are under way for instances that have no slot of their own."""
        return self._words[at.slot_at(at.SHARED_SLOT) + at.INFLIGHT] > 0

    def read(self) -> dict[str, InstanceStats]:
        """Give by name what has changed since the last reading; O(slots in use), 8 bytes each.

        The differences are to what was acknowledged or read last, also by the engine before.
        """
        self._learn()
        used = len(self._generations)
        changes = self._column(at.CHANGES, used)
        before = self._changes + [0] * (used - len(self._changes))
        changed = {index for index in range(used) if changes[index] != before[index]}
        self._changes = changes
        # Once more a second later: on a processor that orders writes freely, the count of changes
        # may be seen before the change.
        due, self._again = changed | self._again, changed
        found: dict[str, InstanceStats] = {}
        to_wall = time.time_ns() / 1e9 - time.monotonic()
        for index in sorted(due):
            name = self._names.get(index, "")
            now = self._words[at.slot_at(index) : at.slot_at(index) + at.SLOT_WORDS].tolist()
            if now[at.GENERATION] != self._generations[index]:
                continue  # taken into other use in this moment: the next reading learns of it
            grown = at.difference(now, self._before(index, now[at.GENERATION]))
            self._taken[index] = now
            if name:
                _merge(found, name, _stats(grown, to_wall))
        return found

    def acknowledge(self) -> None:
        """Note in the file that what was read last is in the database."""
        for index, words in self._taken.items():
            byte = at.ack_at(index) * at.WORD_BYTES
            # One copy: a kill finds it done or not begun, but for the microsecond it takes.
            raw = array("Q", words[: at.NAME]).tobytes()
            self._map[byte : byte + len(raw)] = raw
        self._taken.clear()

    def _before(self, index: int, generation: int) -> Sequence[int]:
        known = self._taken.get(index)
        if known is None:
            start = at.ack_at(index)
            known = self._words[start : start + at.SLOT_WORDS].tolist()
        return known if known[at.GENERATION] == generation else [0] * at.SLOT_WORDS

    def _column(self, word: int, used: int) -> list[int]:
        start = at.HEADER_WORDS + word
        return self._words[start : start + used * at.SLOT_WORDS : at.SLOT_WORDS].tolist()

    def _learn(self) -> None:
        """Read who has which slot, if any was taken into use."""
        claims = self._words[at.CLAIMS]
        if claims == self._claims:
            return
        self._claims = claims
        used = min(self._words[at.USED], at.SLOTS)
        generations = self._column(at.GENERATION, used)
        known = self._generations + [0] * (used - len(self._generations))
        for index in range(used):
            if generations[index] != known[index]:
                self._names[index] = self._name(index)
                self._changes[index : index + 1] = [0] * (index < len(self._changes))
        self._generations = generations
        self._slots_of = {}
        for index, name in self._names.items():
            self._slots_of.setdefault(name, []).append(index)

    def _name(self, index: int) -> str:
        byte = (at.slot_at(index) + at.NAME) * at.WORD_BYTES
        return at.name_in(self._map[byte : byte + at.NAME_BYTES])


def _stats(words: Sequence[int], to_wall: float) -> InstanceStats:
    last = min(words[at.LAST_USEC] / 1e6, _LATEST_SECONDS)
    return InstanceStats(
        requests=words[at.REQUESTS],
        errors=words[at.SERVER_ERRORS] + words[at.CUT],
        inflight=min(words[at.INFLIGHT], at.MOST),
        ms_sum=words[at.LATENCY_USEC] / 1000.0,
        buckets=at.coarse(words[at.HISTOGRAM : at.NAME]),
        bytes_in=words[at.BYTES_IN],
        bytes_out=words[at.BYTES_OUT],
        last=last + to_wall if last else 0.0,
        wakes={kind: waits for kind in WAKES if (waits := _waits(words, kind)).requests},
    )


def _waits(words: Sequence[int], kind: str) -> Traffic:
    start = at.waits_at(kind)
    buckets = list(words[start + 1 : start + 1 + BUCKETS])
    return Traffic(requests=sum(buckets), duration_ms_sum=words[start] / 1000.0, buckets=buckets)


def _merge(found: dict[str, InstanceStats], name: str, more: InstanceStats) -> None:
    """Add what another slot of the same name has: it was given back and taken anew."""
    one = found.setdefault(name, more)
    if one is more:
        return
    one.requests += more.requests
    one.errors += more.errors
    one.inflight += more.inflight
    one.ms_sum += more.ms_sum
    one.buckets = [a + b for a, b in zip(one.buckets, more.buckets, strict=True)]
    one.bytes_in += more.bytes_in
    one.bytes_out += more.bytes_out
    one.last = max(one.last, more.last)
    for kind, waits in more.wakes.items():
        known = one.wakes.setdefault(kind, Traffic())
        known.add(waits.requests, 0, waits.duration_ms_sum, waits.buckets)
