"""How long to wait before the next try."""

from __future__ import annotations

import zlib

import msgspec

_JITTER = 0.1
"""At most this share of a delay is added, so that many instances do not come back at once."""

_EXPONENT_LIMIT = 63
"""2 to a higher power passes any u64 of milliseconds; the cap has long been reached."""


class Backoff(msgspec.Struct, frozen=True):
    """Exponential backoff: 0 the first time, then base, 2 base, 4 base, ... up to the cap.

    Attributes:
        base_seconds: The second delay; 0 or more.
        max_seconds: No delay is longer, jitter apart; 0 or more.
    """

    base_seconds: float = 1.0
    max_seconds: float = 60.0

    def delay(self, attempt: int, jitter: float = 0.0) -> float:
        """Give the seconds to wait before a restart.

        Args:
            attempt: Restarts since the instance was last well; 0 for the first.
            jitter: 0 to 1: how much of the allowed tenth is added.
        """
        if attempt <= 0:
            return 0.0
        doubled = self.base_seconds * 2.0 ** min(attempt - 1, _EXPONENT_LIMIT)
        return min(doubled, self.max_seconds) * (1 + _JITTER * jitter)


def spread(text: str) -> float:
    """Map a text to a number in [0, 1): jitter that needs no randomness and is told apart by name.

    A pure function keeps the lifecycle reproducible; instances differ by name, the restarts of
    one by their count.
    """
    return zlib.crc32(text.encode()) / 2**32
