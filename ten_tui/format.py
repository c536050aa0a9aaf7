"""Numbers, times and states as short text of bounded width, so that no column twitches."""

from __future__ import annotations

import datetime
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.core.sanitize import MARK, sanitize
from engine.core.wire import State
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.core.wire import ConsoleView

NOTHING = "·"
"""What a zero is drawn as: a place that is quiet, and is known to be."""

_BINARY = ("B", "K", "M", "G", "T", "P")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
BLOCKS = " ▁▂▃▄▅▆▇█"
"""By eighths of a cell."""

_FOUR_DIGITS = 999.5
"""From here on a figure in three digits would be written 1e+03."""


class Mark(NamedTuple):
    """How a state is drawn: never by colour alone."""

    glyph: str
    stand_in: str
    ink: Ink


MARKS: dict[State, Mark] = {
    State.STARTING: Mark("◐", "~", Ink.BUSY),
    State.HEALTHY: Mark("●", "+", Ink.OK),
    State.DEGRADED: Mark("▲", "!", Ink.WARN),
    State.UNHEALTHY: Mark("▲", "!", Ink.BAD),
    State.BACKOFF: Mark("◌", "~", Ink.WARN),
    State.FAILED: Mark("✖", "x", Ink.BAD),
    State.DRAINING: Mark("◑", "~", Ink.BUSY),
    State.STOPPED: Mark("○", "-", Ink.DIM),
    State.ASLEEP: Mark("○", "z", Ink.COLD),
    State.FROZEN: Mark("◇", "*", Ink.COLD),
}

SEVERITY: tuple[State, ...] = (
    State.FAILED,
    State.UNHEALTHY,
    State.BACKOFF,
    State.DEGRADED,
    State.STARTING,
    State.DRAINING,
    State.HEALTHY,
    State.FROZEN,
    State.ASLEEP,
    State.STOPPED,
)
"""What wants a look first."""


def cores(value: float) -> str:
    """Write CPU use in cores: "0.42", "12.5", "130"; at most 4 characters."""
    if value < 0.005:
        return NOTHING
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{min(value, 9999):.0f}"


def size(value: float) -> str:
    """Write bytes with a binary unit: "0", "8.1K", "312M", "1.5G"; at most 4 characters."""
    if value < 1:
        return NOTHING
    step = 0
    while value >= 999.5 and step < len(_BINARY) - 1:
        value /= 1024
        step += 1
    unit = _BINARY[step]
    return f"{value:.1f}{unit}" if value < 9.95 and step else f"{value:.0f}{unit}"


def rate(value: float) -> str:
    """Write a rate a second: "0.4", "124", "12.3k", "1.2M"; at most 5 characters."""
    if value < 0.05:
        return NOTHING
    unit = ""
    for bigger in ("k", "M", "G"):
        if value < 999.5:
            break
        value, unit = value / 1e3, bigger
    whole = value >= 99.95 or (not unit and value >= 9.95)
    return f"{min(value, 9999):.0f}{unit}" if whole else f"{value:.1f}{unit}"


def figure(value: float, unit: str) -> str:
    """Write a figure with its unit, in three significant digits: what is kept is exact to 0.05%."""
    if unit.startswith("bytes"):
        rate = unit.removeprefix("bytes")
        for prefix in ("B", "KiB", "MiB", "GiB"):
            if value < _FOUR_DIGITS:
                return f"{value:.3g} {prefix}{rate}"
            value /= 1024
        return f"{value:.3g} TiB{rate}"
    if unit == "cores":
        return f"{value:.3g}"
    digits = f"{value:.3g}" if value < _FOUR_DIGITS else f"{value:.0f}"
    return f"{digits}{unit}" if unit in {"/s", "%"} else f"{digits} {unit}".rstrip()


def millis(value: float) -> str:
    """Write a latency: "0.4ms", "12ms", "1.2s"; at most 5 characters."""
    if value <= 0:
        return NOTHING
    if value < 9.95:
        return f"{value:.1f}ms"
    if value < 999.5:
        return f"{value:.0f}ms"
    return f"{value / 1e3:.1f}s" if value < 99_950 else f"{min(value / 1e3, 9999):.0f}s"


def percent(share: float) -> str:
    """Write a share of one as percent: "7%", "100%"; at most 4 characters."""
    return f"{min(999, round(share * 100))}%"


def duration(seconds: float) -> str:
    """Write a time span, floored: "12s", "3m", "2h", "4d", "900d"."""
    whole = max(0, int(seconds))
    for limit, step, unit in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "m"), (_DAY, _HOUR, "h")):
        if whole < limit:
            return f"{whole // step}{unit}"
    return f"{whole // _DAY}d"


def long_duration(seconds: float) -> str:
    """Write a time span with two units: "12s", "3m 05s", "2h 14m", "4d 3h"."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def count(value: int) -> str:
    """Write a whole number with its thousands apart: "12,345"."""
    return f"{value:,}"


def plural(number: int, noun: str) -> str:
    """Count a noun: "1 instance", "3 instances"."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def clock(time: float, zone: datetime.tzinfo | None = None) -> str:
    """Write the time of day in the viewer's zone: "03:14:15"."""
    return datetime.datetime.fromtimestamp(time, zone).astimezone(zone).strftime("%H:%M:%S")


def clock_millis(time_ns: int, zone: datetime.tzinfo | None = None) -> str:
    """Write the time of day with milliseconds: "03:14:15.926"."""
    return f"{clock(time_ns // 10**9, zone)}.{time_ns // 10**6 % 1000:03d}"


def date_clock(time: float, zone: datetime.tzinfo | None = None) -> str:
    """Write date and time of day: "11-23 03:14:15"."""
    return datetime.datetime.fromtimestamp(time, zone).astimezone(zone).strftime("%m-%d %H:%M:%S")


def spark(levels: Sequence[int]) -> str:
    """Draw levels 0 to 8 as blocks; a quiet stretch is a dotted line."""
    return "".join(BLOCKS[level] if level else NOTHING for level in levels)


def log_level(value: float) -> int:
    """Put a rate on the fixed scale of sparklines: 0 for none, one block a factor of about 5."""
    if value <= 0:
        return 0
    level, bound = 1, 0.3
    while value >= bound and level < 8:
        level += 1
        bound *= 5
    return level


def bar(share: float, width: int) -> str:
    """Draw a share of one as a bar of eighths."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def clean(text: str) -> str:
    """Make text from outside safe to draw: one row, nothing that a terminal would obey."""
    return text if text.isascii() and text.isprintable() else _clean(text)


@lru_cache(maxsize=4096)
def _clean(text: str) -> str:
    text = sanitize(text)
    if text.isprintable():
        return text
    return "".join(_drawn(char) for char in text)


def _drawn(char: str) -> str:
    """Give what stands for a character: blanks of any kind for blanks, a mark for the rest."""
    return char if char.isprintable() else " " if char.isspace() else MARK


def attached(consoles: Iterable[ConsoleView]) -> str:
    """Name who is attached, several alike once with their number."""
    names = Counter(clean(f"{one.who} {one.place}".strip()) for one in consoles)
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in names.items())
