"""Whether a client takes what waits for it."""

from __future__ import annotations

SLOW_BYTES_A_SECOND = 1024
"""A client that takes that much, as a mean over the time it is given, is never too slow."""


class Pace:
    """Watches bytes that wait for one client, from when more than it takes are there.

    Nothing is watched while nothing waits, so tunnels and streams may be silent for as long as
    they like.
    """

    __slots__ = ("_left", "_seconds", "_since")

    def __init__(self, seconds: float, unsent_bytes: int, now: float) -> None:
        """Begin.

        Args:
            seconds: In which it has to take its share; 0: it never has to.
            unsent_bytes: What waits.
            now: Monotonic time.
        """
        self._seconds = seconds
        self._left = unsent_bytes
        self._since = now

    def is_too_slow(self, unsent_bytes: int, now: float) -> bool:
        """Tell whether its time is over and it has not taken its share of what waited."""
        if self._left - unsent_bytes >= self._seconds * SLOW_BYTES_A_SECOND:
            self._left, self._since = unsent_bytes, now
            return False
        return self._seconds > 0 and now - self._since >= self._seconds
