"""The line of hosts, where there are several: which is in view, and how the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.wire import State
from ten_tui import format as fmt
from ten_tui.format import clean
from ten_tui.store.view import LinkState
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from ten_tui.hosts import Hosts, Seat
    from ten_tui.widgets.palette import Palette

_LEAST_NAME = 4


class HostBar(Pane):
    """One row above the head."""

    def __init__(self, palette: Palette, hosts: Hosts) -> None:
        """Take what it shows."""
        super().__init__(palette, id="hosts")
        self._hosts = hosts
        self._ends: list[int] = []

    @property
    def ground(self) -> Ground:
        """It lies a shade above the panes, as the head does."""
        return Ground.RAISED

    def place_at(self, x: int) -> int | None:
        """Give the place whose tab is at a column."""
        return next((place for place, end in enumerate(self._ends) if x < end), None)

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw a tab each: name, and how many instances are up, and how many need a look."""
        seats = self._hosts.seats
        line, self._ends = Line(), []
        states = [self._state(seat) for seat in seats]
        taken = sum(sum(len(text) + 1 for text, _ in state) + 3 for state in states)
        room = max(_LEAST_NAME, (width - taken) // len(seats))
        for place, (seat, state) in enumerate(zip(seats, states, strict=True)):
            is_shown = place == self._hosts.at
            ground = Ground.SELECT if is_shown else Ground.RAISED
            ink = Ink.ACCENT if is_shown else Ink.DIM
            name = cut(clean(seat.name), room)
            line.put(f" {name} ", self.palette.style(ink, ground, is_bold=is_shown))
            for text, text_ink in state:
                line.put(f"{text} ", self.palette.style(text_ink, ground))
            self._ends.append(line.width)
            line.put(" ", self.palette.style(Ink.FAINT, Ground.RAISED))
        way = f"{self._hosts.seat.ui.keys.get('host', 'H')} next"
        if line.width + len(way) + 2 <= width:
            faint = self.palette.style(Ink.FAINT, Ground.RAISED)
            line.right(way, faint, width - 1, faint)
        return [line][:height]

    def _state(self, seat: Seat) -> list[tuple[str, Ink]]:
        view = seat.ui.view
        match view.link.state:
            case LinkState.CONNECTING:
                return [("◐", Ink.BUSY)]
            case LinkState.LOST:
                return [("✖ away", Ink.BAD)]
            case LinkState.LIVE:
                counts = view.counts()
                shown = [
                    (f"{fmt.MARKS[state].glyph}{counts[state]}", fmt.MARKS[state].ink)
                    for state in fmt.SEVERITY
                    if counts[state]
                    and (state is State.HEALTHY or fmt.MARKS[state].ink in {Ink.BAD, Ink.WARN})
                ]
                return shown or [(fmt.NOTHING, Ink.FAINT)]
