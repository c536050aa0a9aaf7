"""Moments as people type them into the console."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from engine.core.times import read_time

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\Z", re.ASCII)


def read_moment(text: str, now: float) -> float:
    """Give seconds since the epoch; a time of day is the last one there was.

    "14:03" and "14:03:20" in this terminal's zone, "-15m" and "15m" back from now, or whatever
    `engine.core.times.read_time` reads.

    Raises:
        Refused: It is no time.
    """
    text = text.strip()
    found = _CLOCK.match(text)
    if found is None:
        return read_time(text.removeprefix("-"), now)
    here = datetime.fromtimestamp(now).astimezone()
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return read_time(text, now)  # refuses it in its words
    then = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (then if then <= here else then - timedelta(days=1)).timestamp()
