"""The wall clock, for what is shown; deadlines use `time.monotonic`."""

from __future__ import annotations

import time


def wall() -> float:
    """Give the seconds since the epoch."""
    return time.time_ns() / 1e9
