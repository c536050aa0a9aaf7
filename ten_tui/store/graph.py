"""Graphs in braille: fixed scale, newest at the right edge, drawn as rows of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.core.wire import Sample

# Dots of one braille cell from its foot to its top, left and right column.
_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
_EMPTY = "\u2800"
LIMIT_LINE = "╌"
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Plot:
    """A drawn graph.

    Attributes:
        rows: From top to foot, each as wide as the graph.
        limit_row: Row of the limit line, -1 where it is out of the scale or there is none.
        top: Value at the upper edge.
    """

    rows: tuple[str, ...]
    limit_row: int
    top: float


def bin_seconds(span_seconds: int, width: int) -> int:
    """Choose how many seconds one dot column stands for, so that the span fits the width."""
    return max(1, -(-span_seconds // (2 * width)))


def bin_samples(
    samples: Iterable[Sample], value: Callable[[Sample], float], *, now: float, step: int, bins: int
) -> list[float | None]:
    """Take the mean of each bin, the newest last; bins are aligned to the clock.

    Aligned bins move together every `step` seconds, not at each sample: a graph at rest costs
    the terminal nearly nothing. A bin without a sample is None.
    """
    sums = [0.0] * bins
    counts = [0] * bins
    last = int(now // step)
    for sample in samples:
        place = bins - 1 - (last - int(sample.time // step))
        if 0 <= place < bins:
            sums[place] += value(sample)
            counts[place] += 1
    return [total / number if number else None for total, number in zip(sums, counts, strict=True)]


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


def plot(values: Sequence[float | None], *, height: int, top: float, limit: float = 0.0) -> Plot:
    """Draw values as filled columns, two to a cell and four dots to a row.

    Args:
        values: Twice as many as the graph is wide.
        height: Rows.
        top: Value at the upper edge; larger ones are cut there.
        limit: Where to draw the limit line, 0 for none.
    """
    dots = [_dots(value, height, top) for value in values]
    rows = []
    limit_row = height - 1 - int(limit / top * height) if 0 < limit <= top else -1
    limit_row = max(0, limit_row) if 0 < limit <= top else -1
    for row in range(height):
        floor = (height - 1 - row) * 4
        cells = []
        for left, right in zip(dots[::2], dots[1::2], strict=True):
            code = _LEFT[max(0, min(4, left - floor))] | _RIGHT[max(0, min(4, right - floor))]
            blank = LIMIT_LINE if row == limit_row else _EMPTY
            cells.append(chr(0x2800 + code) if code else blank)
        rows.append("".join(cells).replace(_EMPTY, " "))
    return Plot(tuple(rows), limit_row, top)


def _dots(value: float | None, height: int, top: float) -> int:
    """Count the dots of a column; anything above zero shows at least one."""
    if value is None or value <= 0 or top <= 0:
        return 0
    return max(1, min(height * 4, round(value / top * height * 4)))


def time_axis(width: int, span_seconds: int) -> str:
    """Write the axis: how far the left edge lies back, a tick in the middle, now at the right."""
    left, middle = f"-{_span(span_seconds)}", f"-{_span(span_seconds // 2)}"
    if width < len(left) + 5:
        return "now".rjust(width)[:width]
    axis = list(" " * width)
    axis[: len(left)] = left
    axis[-3:] = "now"
    centre = width // 2 - len(middle) // 2
    if centre > len(left) + 2 and centre + len(middle) + 2 < width - 3:
        axis[centre : centre + len(middle)] = middle
    return "".join(axis)


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
