"""The events pane: what happened and who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store.script import marked
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from engine.core.wire import Event
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_INKS = {"error": Ink.BAD, "warning": Ink.WARN}
_GLYPHS = {"error": "✖", "warning": "▲"}
_DATED = 70
_ROOMY = 120


class EventsPane(Pane):
    """Events, the newest last."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="events")
        self._ui = ui

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head and the events in view."""
        events, scroll = self._ui.view.events, self._ui.events
        body = height - 1
        chosen = marked(events, self._ui.events_mark, scroll.cursor)
        ids = {one.id for one in chosen} if self._ui.events_mark >= 0 else set()
        scroll.clamp(len(events), body)
        lines = [self.title("events", width, note=f"{fmt.count(len(events))} kept")]
        for place in range(scroll.top, min(len(events), scroll.top + body)):
            ground = Ground.QUIET if events[place].id in ids else self.ground
            if place == scroll.cursor and (self.is_active or not self._ui.timeline.is_now):
                ground = Ground.SELECT if self.is_active else Ground.QUIET
            lines.append(self._row(events[place], width, ground))
        if not events:
            style = self.palette.style
            text = "nothing happened yet: starts, stops, crashes and config changes come here"
            lines += [Line(), Line().put(f"  {text}", style(Ink.DIM, self.ground))]
        return lines

    def _row(self, event: Event, width: int, ground: Ground) -> Line:
        style = self.palette.style
        is_here = ground is Ground.SELECT
        stamp = fmt.date_clock(event.time) if width >= _DATED else fmt.clock(event.time)
        ink = _INKS.get(event.level, Ink.TEXT)
        line = Line().put(BAR if is_here else " ", style(Ink.ACCENT, ground))
        line.put(f"{stamp} ", style(Ink.FAINT, ground))
        line.put(f"{_GLYPHS.get(event.level, ' ')} ", style(ink, ground))
        if event.instance:
            line.put(f"{event.instance} ", style(Ink.DIM, ground))
        actor = "" if event.actor == "engine" else f" {event.actor}"
        if event.command and (is_here or width >= _ROOMY):
            # The command line that does the same; the narrow show it of the one under the cursor.
            actor = cut(f" {event.command}{actor}", max(0, (width - line.width) // 2))
        text = event.text.removeprefix(f"{event.instance} ") if event.instance else event.text
        line.put(cut(text, width - line.width - len(actor) - 1), style(ink, ground))
        if actor and line.width + len(actor) < width:
            line.right(actor, style(Ink.FAINT, ground), width - 1, style(Ink.TEXT, ground))
        return line.fill(width, style(Ink.TEXT, ground))
