"""What the actions of the log, events and config panes do: one method an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui.deeds import valid_names
from ten_tui.store.arrange import PaneId
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.errors import TenError
    from ten_tui.console import Console


class PaneCommands:
    """The actions of the panes that are read."""

    def __init__(self, console: Console) -> None:
        """Take the console they act on."""
        self._console = console
        self._ui = console.ui
        self._words: list[str] = []

    def follow(self) -> None:
        """Pause or follow."""
        self._console.reading.toggle_follow()

    def search(self) -> None:
        """Type what to search."""
        self._console.ask(Mode.SEARCH, self._ui.logs.search)

    def next_match(self) -> None:
        """Go down to a match."""
        self._console.reading.find(is_backward=False)

    def previous_match(self) -> None:
        """Go up to a match."""
        self._console.reading.find(is_backward=True)

    def log_filter(self) -> None:
        """Type what lines must have."""
        self._console.ask(Mode.LOG_FILTER, self._ui.logs.query.text)

    def stream(self) -> None:
        """Show the other stream."""
        self._console.reading.cycle_stream()

    def mark_events(self) -> None:
        """Begin a marked stretch of events at the cursor, or end it."""
        events, ui = self._ui.view.events, self._ui
        if ui.events_mark >= 0 or not events:
            ui.events_mark = -1
        else:
            self._console.move_scroll(PaneId.EVENTS, 0)
            ui.events_mark = events[min(ui.events.cursor, len(events) - 1)].id
            key = ui.keys["copy"]
            self._console.deeds.say(f"marked: {key} copies up to the cursor as a script", Ink.DIM)
        self._console.stage.repaint((PaneId.EVENTS,))

    def next_error(self) -> None:
        """Go down to an error."""
        self._error(1)

    def previous_error(self) -> None:
        """Go up to an error."""
        self._error(-1)

    def _error(self, steps: int) -> None:
        if self._ui.focus is PaneId.LOG:
            self._console.reading.find_error(is_backward=steps < 0)
            return
        events, scroll = self._ui.view.events, self._ui.events
        place = (len(events) if scroll.is_following else scroll.cursor) + steps
        while 0 <= place < len(events):
            if events[place].level == "error":
                self._console.move_scroll(PaneId.EVENTS, place - scroll.cursor)
                return
            place += steps
        self._console.deeds.say("no further error", Ink.DIM)

    def inspect(self) -> None:
        """Show the isolation card of the selection."""
        ui = self._ui
        is_log = ui.focus is PaneId.LOG and ui.logs.query.name
        self._console.looks.inspect(ui.logs.query.name if is_log else ui.table.selected)

    def typed_inspect(self) -> None:
        """Show the isolation card of what was named."""
        named = valid_names(self._words[:1])
        if named:
            self._console.looks.inspect(named[0])
        else:
            self._console.deeds.say(f"{self._words[0]} names no instance: service:id", Ink.BAD)

    def doctor(self) -> None:
        """Show what the host can and cannot do."""
        self._console.looks.doctor()

    def wrap(self) -> None:
        """Wrap or cut long lines."""
        self._ui.logs.is_wrapped = not self._ui.logs.is_wrapped
        self._ui.logs.column = 0
        self._console.stage.repaint((PaneId.LOG,))

    def times(self) -> None:
        """Show or hide time stamps."""
        self._ui.logs.has_times = not self._ui.logs.has_times
        self._console.stage.repaint((PaneId.LOG,))

    def mark_lines(self) -> None:
        """Mark lines from the cursor on."""
        self._console.reading.mark()

    def save(self) -> None:
        """Type where to save."""
        name = self._ui.logs.query.name.replace(":", "-") or "log"
        self._console.ask(Mode.SAVE, f"{name}.log")

    def since(self) -> None:
        """Show what is younger than a preset."""
        preset = int(self._words[0]) if self._words and self._words[0].isdigit() else 0
        self._console.reading.since(preset, self._ui.view.now)

    def side_left(self) -> None:
        """Move the view left."""
        self._side(-1)

    def side_right(self) -> None:
        """Move the view right."""
        self._side(1)

    def _side(self, steps: int) -> None:
        if self._ui.focus is PaneId.LOG:
            self._console.reading.sideways(steps)
        else:
            self._ui.config.column = max(0, self._ui.config.column + 8 * steps)
            self._console.stage.repaint((PaneId.CONFIG,))

    def diff(self) -> None:
        """Show the text, or the last change."""
        self._ui.is_diff = not self._ui.is_diff
        self._ui.config.cursor = self._ui.config.top = 0
        self._console.stage.repaint((PaneId.CONFIG,))

    def reload(self) -> None:
        """Have the file read again."""

        def done(_: object, error: TenError | None) -> None:
            if error is not None:
                self._console.deeds.say(f"reload: {error}", Ink.BAD)
            else:
                self._console.deeds.say("the file was read again", Ink.OK)

        self._console.link.ask(lambda client: client.reload(), done)
