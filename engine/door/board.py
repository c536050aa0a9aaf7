"""The memory file in which a door counts; the engine reads it, and is told nothing of it."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
from typing import TYPE_CHECKING

from engine.core import board as at

if TYPE_CHECKING:
    from engine.core.board import Words

log = logging.getLogger(__name__)

_F_ADD_SEALS = 1033
_SEALS = 0x01 | 0x02 | 0x04
"""F_SEAL_SEAL, SHRINK and GROW: a map of it never faults. Source: fcntl(2), "File Sealing"."""


class Board:
    """Gives instances slots to count in; the only writer of the door's area.

    A slot that is given back is used again once the engine has taken what was counted in it; while
    there is no engine, it lies.

    Attributes:
        fd: The file, for the engine.
    """

    def __init__(self) -> None:
        """Make the file.

        Raises:
            OSError: There is no memory or no descriptor for it.
        """
        self.fd = os.memfd_create("ten-board", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, at.FILE_BYTES)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _SEALS)
        self._map = mmap.mmap(self.fd, at.FILE_BYTES)
        self._words: Words = memoryview(self._map).cast("Q")
        self._used = 0
        self._left: list[int] = []
        self._is_full_told = False
        self._words[0] = at.MAGIC
        self._take(at.SHARED_SLOT, "")

    def claim(self, name: str) -> tuple[int, Words]:
        """Give an instance a slot; O(slots given back and not yet taken).

        Returns: its number and its words. Where none is free, those of the shared slot.
        """
        index = self._free()
        if index is None:
            if not self._is_full_told:
                log.error("no room to count more than %d instances one by one", at.SLOTS)
                self._is_full_told = True
            index = at.SHARED_SLOT
        else:
            self._take(index, name)
        start = at.slot_at(index)
        return index, self._words[start : start + at.SLOT_WORDS]

    def release(self, index: int) -> None:
        """Take a slot back; nothing is in flight in it."""
        if index != at.SHARED_SLOT:
            self._left.append(index)

    def close(self) -> None:
        """Let go of the descriptor; the map stays as long as anything counts in it."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def _free(self) -> int | None:
        for place, index in enumerate(self._left):
            own, ack = at.slot_at(index), at.ack_at(index)
            words = self._words
            # Generation and changes: all that was counted has been taken.
            if words[own : own + at.INFLIGHT] == words[ack : ack + at.INFLIGHT]:
                return self._left.pop(place)
        return self._used if self._used < at.SLOTS else None

    def _take(self, index: int, name: str) -> None:
        words, start = self._words, at.slot_at(index)
        generation = words[start + at.GENERATION] + 1
        words[start + at.GENERATION] = 0
        byte = (start + at.GENERATION) * at.WORD_BYTES
        self._map[byte : byte + at.SLOT_WORDS * at.WORD_BYTES] = bytes(
            at.SLOT_WORDS * at.WORD_BYTES
        )
        byte = (start + at.NAME) * at.WORD_BYTES
        raw = name.encode("ascii")[: at.NAME_BYTES - 1]
        self._map[byte : byte + len(raw)] = raw
        words[start + at.GENERATION] = generation
        self._used = max(self._used, index + 1)
        words[at.USED] = self._used
        words[at.CLAIMS] += 1
