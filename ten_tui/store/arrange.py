"""Where the panes are at a terminal size: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PaneId(Enum):
    """A pane; the value is its title."""

    TABLE = "instances"
    DETAIL = "detail"
    LOG = "log"
    EVENTS = "events"
    CONFIG = "config"
    DEPLOYS = "deploys"


ORDER = tuple(PaneId)
_LOWER = (PaneId.LOG, PaneId.EVENTS, PaneId.CONFIG, PaneId.DETAIL)

WITH_DETAIL = 110
WITH_ALL = 180
LEAST_HEIGHT = 5
WITH_HOSTS = 8
"""Rows from which the line of hosts has one."""


@dataclass(frozen=True)
class Box:
    """A rectangle in cells."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Arrangement:
    """Which panes are shown and where.

    Attributes:
        tabs: Panes that share the lower place; the first of `panes` among them is in front.
    """

    head: Box | None
    foot: Box | None
    panes: dict[PaneId, Box]
    tabs: tuple[PaneId, ...]


def arrange(
    width: int,
    height: int,
    *,
    lower: PaneId = PaneId.LOG,
    zoomed: PaneId | None = None,
    share: float = 0.0,
    above: int = 0,
) -> Arrangement:
    """Place everything.

    Args:
        width: Columns of the terminal.
        height: Its rows.
        lower: Which pane has the lower place.
        zoomed: The one pane that has all of it, if any.
        share: How much more than half the upper part gets, -0.4 to 0.4.
        above: Rows above all of it that are not its own.
    """
    foot = Box(0, above + height - 1, width, 1) if height >= 3 else None
    head_rows = 2 if height >= 14 else 1 if height >= 4 else 0
    head = Box(0, above, width, head_rows) if head_rows else None
    rest = Box(0, above + head_rows, width, height - head_rows - (1 if foot else 0))
    if zoomed is not None:
        return Arrangement(head, foot, {zoomed: rest}, ())
    if rest.height < 2 * LEAST_HEIGHT or width < 20:
        return Arrangement(head, foot, {PaneId.TABLE: rest}, _LOWER)
    if width >= WITH_ALL:
        return Arrangement(head, foot, *_wide(rest, lower, share))
    if width >= WITH_DETAIL:
        return Arrangement(head, foot, *_medium(rest, lower, share))
    return Arrangement(head, foot, *_narrow(rest, lower, share))


def _split(rest: Box, share: float, middle: float) -> int:
    upper = round(rest.height * (middle + share))
    return max(LEAST_HEIGHT, min(rest.height - LEAST_HEIGHT, upper))


def _narrow(rest: Box, lower: PaneId, share: float) -> tuple[dict[PaneId, Box], tuple[PaneId, ...]]:
    lower = lower if lower in _LOWER else PaneId.LOG
    upper = _split(rest, share, 0.48)
    panes = {
        PaneId.TABLE: Box(rest.x, rest.y, rest.width, upper),
        lower: Box(rest.x, rest.y + upper, rest.width, rest.height - upper),
    }
    return panes, _LOWER


def _medium(rest: Box, lower: PaneId, share: float) -> tuple[dict[PaneId, Box], tuple[PaneId, ...]]:
    tabs = tuple(pane for pane in _LOWER if pane is not PaneId.DETAIL)
    lower = lower if lower in tabs else PaneId.LOG
    upper = _split(rest, share, 0.52)
    side = min(60, max(38, round(rest.width * 0.34)))
    panes = {
        PaneId.TABLE: Box(rest.x, rest.y, rest.width - side, upper),
        PaneId.DETAIL: Box(rest.x + rest.width - side, rest.y, side, upper),
        lower: Box(rest.x, rest.y + upper, rest.width, rest.height - upper),
    }
    return panes, tabs


def _wide(rest: Box, lower: PaneId, share: float) -> tuple[dict[PaneId, Box], tuple[PaneId, ...]]:
    tabs = (PaneId.LOG, PaneId.CONFIG)
    lower = lower if lower in tabs else PaneId.LOG
    side = min(84, round(rest.width * 0.34))
    main = rest.width - side
    upper = _split(rest, share, 0.46)
    events = max(LEAST_HEIGHT, rest.height // 4)
    panes = {
        PaneId.TABLE: Box(rest.x, rest.y, main, upper),
        PaneId.DETAIL: Box(rest.x + main, rest.y, side, rest.height - events),
        lower: Box(rest.x, rest.y + upper, main, rest.height - upper),
        PaneId.EVENTS: Box(rest.x + main, rest.y + rest.height - events, side, events),
    }
    return panes, tabs
