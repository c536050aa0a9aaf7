"""Times as people write them: how long ago, a date, or seconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime

from engine.core.errors import Refused

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d{1,9})([smhdw])\Z", re.ASCII)
_EPOCH = re.compile(r"\d{1,11}(\.\d{1,9})?\Z", re.ASCII)
_SHOWN = 40


def read_time(text: str, now: float) -> float:
    """Give seconds since the epoch.

    "6h" is six hours before now (s, m, h, d, w), "1700000000" is as it stands, and a date is
    "2026-05-01", "2026-05-01 12:30" or any other ISO 8601 time; without a zone it is in this
    host's.

    Raises:
        Refused: It is nothing of that.
    """
    text = text.strip()
    if found := _AGO.match(text):
        return now - int(found[1]) * _UNITS[found[2]]
    if _EPOCH.match(text):
        return float(text)
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        message = f"Not a time: '{text[:_SHOWN]}'"
        hint = "6h or 90d for how long ago, a date such as 2026-05-01 12:30, or seconds since 1970"
        raise Refused(message, hint=hint) from None
