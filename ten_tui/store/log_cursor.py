"""The reading cursor of a paused log: it goes by lines, or by folds of them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ten_tui.store import folding

if TYPE_CHECKING:
    from ten_tui.store.logs import Logs, Page


def cursor_step(logs: Logs, steps: int, height: int) -> Page | None:
    """Move the reading cursor while paused; the view follows it."""
    if not logs.held:
        return None
    if logs.cursor < 0:
        logs.cursor = logs.top
    if logs.is_folded:
        return _fold_step(logs, steps, height)
    place = max(0, min(len(logs.held) - 1, logs.index(logs.cursor) + steps))
    logs.cursor = logs.held[place].number
    top = logs.index(logs.top)
    if place < top:
        return logs.scroll(place - top)
    if place >= top + height:
        return logs.scroll(place - top - height + 1)
    return logs.scroll(0) if place < abs(steps) else None


def _fold_step(logs: Logs, steps: int, height: int) -> Page | None:
    """Move the reading cursor by folds."""
    starts = [fold.first for fold in folding.folds(logs.held)]
    here = bisect_right(starts, logs.index(logs.cursor)) - 1 + steps
    here = max(0, min(len(starts) - 1, here))
    top = bisect_right(starts, logs.index(logs.top)) - 1
    logs.cursor = logs.held[starts[here]].number
    if here < top:
        return logs.scroll(here - top)
    return logs.scroll(max(0, here - top - height + 1))
