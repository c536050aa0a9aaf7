"""Graphs as rows of text: fixed scale, newest at the right edge, by what the terminal can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from ten_tui import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ten_tui.store.past import Bin

# Dots of one braille cell from its foot to its top, left and right column.
_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_BRAILLE = 0x2800
_STEPS = (1.0, 2.0, 5.0)
_DAY = 86400


class Rendering(Enum):
    """What graphs are drawn with; the value is its name for users."""

    BRAILLE = "braille"
    BLOCKS = "blocks"
    PLAIN = "plain"

    @property
    def columns(self) -> int:
        """Columns of values in a cell."""
        return 2 if self is Rendering.BRAILLE else 1

    @property
    def levels(self) -> int:
        """Steps of height in a cell."""
        return 4 if self is Rendering.BRAILLE else 8 if self is Rendering.BLOCKS else 2

    def cell(self, heights: Sequence[int], floor: int) -> str:
        """Draw one cell of columns of so many steps, of which `floor` lie below it."""
        if self is Rendering.BRAILLE:
            left, right = (max(0, min(4, height - floor)) for height in heights)
            return chr(_BRAILLE + (_LEFT[left] | _RIGHT[right]))
        step = min(self.levels, heights[0] - floor)
        return fmt.BLOCKS[step] if self is Rendering.BLOCKS else " .#"[step]

    @property
    def limit(self) -> str:
        """The limit line."""
        return "-" if self is Rendering.PLAIN else "╌"

    @property
    def cursor(self) -> str:
        """The time cursor."""
        return "|" if self is Rendering.PLAIN else "│"

    @property
    def throttle(self) -> str:
        """What marks a column in which the CPU was throttled, at the upper edge."""
        return "^" if self is Rendering.PLAIN else "▔"


def rendering_of(environ: Mapping[str, str], encoding: str) -> Rendering:
    """Choose what the terminal can draw; `TEN_GRAPHS` says it for one that cannot be known."""
    wished = environ.get("TEN_GRAPHS", "").lower()
    for each in Rendering:
        if wished == each.value:
            return each
    if "utf" not in encoding.lower() or environ.get("TERM", "") in {"dumb", "unknown"}:
        return Rendering.PLAIN
    # The console of the kernel has a font of 512 signs: blocks are in it, braille is not.
    return Rendering.BLOCKS if environ.get("TERM", "").startswith(("linux", "vt")) else _BEST


_BEST = Rendering.BRAILLE


class Part(Enum):
    """What a cell of a graph shows."""

    BLANK = " "
    FILL = "f"
    PEAK = "p"
    LIMIT = "l"
    CURSOR = "c"
    THROTTLE = "t"


@dataclass(frozen=True)
class Plot:
    """A drawn graph.

    Attributes:
        rows: From top to foot, each as wide as the graph.
        parts: What each cell of each row is.
        limit_row: Row of the limit line, -1 where it is out of the scale or there is none.
        top: Value at the upper edge.
    """

    rows: tuple[str, ...]
    parts: tuple[tuple[Part, ...], ...]
    limit_row: int
    top: float

    def runs(self, row: int) -> list[tuple[str, Part]]:
        """Give a row as pieces of one kind."""
        pairs = zip(self.rows[row], self.parts[row], strict=True)
        return [
            ("".join(char for char, _ in group), part)
            for part, group in groupby(pairs, key=lambda pair: pair[1])
        ]


def nice_top(values: Iterable[float | None], *, least: float, binary: bool = False) -> float:
    """Choose the upper edge: the next round number above every value, never under `least`."""
    peak = max((value for value in values if value is not None), default=0.0)
    if binary:
        top = least
        while top < peak:
            top *= 2
        return top
    top, step = least, 0
    scale = least
    while top < peak:
        step += 1
        if step == len(_STEPS):
            step, scale = 0, scale * 10
        top = scale * _STEPS[step]
    return top


@dataclass(frozen=True)
class Frame:
    """How a graph is drawn.

    Attributes:
        height: Rows.
        top: Value at the upper edge; larger ones are cut there.
        limit: Where to draw the limit line, 0 for none.
        cursor: Cell of the time cursor, -1 for none.
        throttled: Columns of values in which the CPU was throttled.
    """

    height: int
    top: float
    limit: float = 0.0
    cursor: int = -1
    throttled: frozenset[int] = frozenset()
    rendering: Rendering = Rendering.BRAILLE


def plot(values: Sequence[Bin | None], frame: Frame) -> Plot:
    """Draw values as filled columns: to the mean solid, from there to the greatest faint.

    `values` are as many as the graph is wide, times the columns of a cell.
    """
    kind, height = frame.rendering, frame.height
    columns, levels = kind.columns, kind.levels
    means = _cells([_steps(value and value.mean, frame) for value in values], columns)
    highs = _cells([_steps(value and value.high, frame) for value in values], columns)
    limit_row = -1
    if 0 < frame.limit <= frame.top:
        limit_row = max(0, height - 1 - int(frame.limit / frame.top * height))
    rows, parts = [], []
    for row in range(height):
        floor = (height - 1 - row) * levels
        blanks = _blanks(frame, len(means), is_limit=row == limit_row, is_top=row == 0)
        drawn = [
            (kind.cell(mean, floor), Part.FILL)
            if max(mean) > floor
            else (kind.cell(high, floor), Part.PEAK)
            if max(high) > floor
            else blank
            for mean, high, blank in zip(means, highs, blanks, strict=True)
        ]
        if 0 <= frame.cursor < len(drawn):
            char, part = drawn[frame.cursor]
            is_blank = part not in {Part.FILL, Part.PEAK}
            drawn[frame.cursor] = (kind.cursor if is_blank else char, Part.CURSOR)
        rows.append("".join(char for char, _ in drawn))
        parts.append(tuple(part for _, part in drawn))
    return Plot(tuple(rows), tuple(parts), limit_row, frame.top)


def _cells(heights: list[int], columns: int) -> list[tuple[int, ...]]:
    return list(zip(*(heights[place::columns] for place in range(columns)), strict=False))


def _blanks(frame: Frame, width: int, *, is_limit: bool, is_top: bool) -> list[tuple[str, Part]]:
    """Give what a row shows where no column reaches."""
    kind = frame.rendering
    blank = (kind.limit, Part.LIMIT) if is_limit else (" ", Part.BLANK)
    blanks = [blank] * width
    if is_top:
        for column in frame.throttled:
            if column // kind.columns < width:
                blanks[column // kind.columns] = (kind.throttle, Part.THROTTLE)
    return blanks


def _steps(value: float | None, frame: Frame) -> int:
    """Count the steps of a column; anything above zero shows at least one."""
    if value is None or value <= 0 or frame.top <= 0:
        return 0
    most = frame.height * frame.rendering.levels
    return max(1, min(most, round(value / frame.top * most)))


def time_axis(width: int, span_seconds: int) -> str:
    """Write the axis of now: how far the left edge lies back, a tick in the middle, now."""
    left, middle = f"-{_span(span_seconds)}", f"-{_span(span_seconds // 2)}"
    return _axis(width, left, middle, "now")


def clock_axis(width: int, since: float, until: float) -> str:
    """Write the axis of the past: the times of the left edge, the middle and the right edge."""
    is_long = until - since > _DAY
    times = [(fmt.date_clock if is_long else fmt.clock)(each) for each in _thirds(since, until)]
    if is_long:
        times = [each[:-3] for each in times]
    return _axis(width, *times)


def _thirds(since: float, until: float) -> tuple[float, float, float]:
    return since, (since + until) / 2, until


def _axis(width: int, left: str, middle: str, right: str) -> str:
    if width < len(left) + len(right) + 2:
        return right.rjust(width)[:width]
    axis = list(" " * width)
    axis[: len(left)] = left
    axis[-len(right) :] = right
    centre = width // 2 - len(middle) // 2
    if centre > len(left) + 2 and centre + len(middle) + 2 < width - len(right):
        axis[centre : centre + len(middle)] = middle
    return "".join(axis)


def _span(seconds: int) -> str:
    if seconds >= 2 * _DAY:
        return f"{seconds // _DAY}d"
    hours, rest = divmod(seconds, 3600)
    if hours:
        return f"{hours}h{rest // 60:02d}m" if rest // 60 else f"{hours}h"
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
