"""The log's rate over time as one row: how many lines, and where errors are among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store.graph import Rendering
from ten_tui.store.past import bin_samples, join, window_to
from ten_tui.store.timeline import bin_seconds
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.wire import Sample
    from ten_tui.store.past import Bins, Past, Window
    from ten_tui.store.timeline import Timeline

METRICS = ("log_lines", "log_errors")
LABEL = 6
"""Cells before the row: the span, and a blank."""

LEAST_HEIGHT = 12
"""Rows a pane has before one is given to the histogram."""

_LEAST_WIDTH = 20
_LEAST_ERRORS = 0.01
_PLAIN = " .:-=+*%#"


def columns_in(width: int, height: int) -> int:
    """Tell how many cells the row has in a pane; 0 where there is no room for it."""
    columns = width - LABEL - 1
    return columns if height >= LEAST_HEIGHT and columns >= _LEAST_WIDTH else 0


def window_of(timeline: Timeline, now: float, columns: int) -> Window:
    """Give the stretch of time that the row shows: that of the graphs."""
    return window_to(timeline.edge(now), bin_seconds(timeline.span, columns), columns)


def rates(past: Past, history: Sequence[Sample], window: Window) -> tuple[Bins, Bins]:
    """Give lines and error lines a second by column, from what is kept and from the stream."""
    lines, errors = (past.bins(metric, window) for metric in METRICS)
    if not history:
        return lines, errors
    since = history[0].time
    live = bin_samples(history, lambda sample: sample.log_lines, window)
    live_errors = bin_samples(history, lambda sample: sample.log_errors, window)
    return join(lines, live, since, window), join(errors, live_errors, since, window)


def cells(lines: Bins, errors: Bins, rendering: Rendering) -> list[tuple[str, Ink]]:
    """Draw the columns, on the fixed scale of sparklines; those with errors in their ink."""
    signs = _PLAIN if rendering is Rendering.PLAIN else fmt.BLOCKS
    drawn = []
    for each, bad in zip(lines, errors, strict=True):
        if each is None:
            drawn.append((" ", Ink.TEXT))
            continue
        level = fmt.log_level(each.mean)
        is_bad = bad is not None and bad.high >= _LEAST_ERRORS
        sign = signs[max(level, 1)] if level or is_bad else fmt.NOTHING
        drawn.append((sign, Ink.BAD if is_bad else Ink.INFO if level else Ink.FAINT))
    return drawn
