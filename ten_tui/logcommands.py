"""What the actions do that choose which lines of a log are shown, and how."""

from __future__ import annotations

from engine.core.errors import Refused
from ten_tui.panecommands import PaneCommands
from ten_tui.reading import CONTEXTS
from ten_tui.store.moment import read_moment
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink


class LogCommands(PaneCommands):
    """The actions on what the log pane shows."""

    def more_context(self) -> None:
        """Show more lines around matches."""
        self._console.reading.context(1)

    def less_context(self) -> None:
        """Show fewer lines around matches."""
        self._console.reading.context(-1)

    def typed_more_context(self) -> None:
        """Show as many lines around matches as were typed."""
        text = self._words[0]
        if not text.isdecimal() or int(text) > CONTEXTS[-1]:
            self._console.deeds.say(f"a number of lines from 0 to {CONTEXTS[-1]}", Ink.BAD)
        else:
            self._console.reading.set_context(int(text))

    def jump(self) -> None:
        """Ask for the time to go to."""
        self._console.ask(Mode.JUMP)

    def typed_jump(self) -> None:
        """Go to the time that was typed."""
        self.jump_to(" ".join(self._words))

    def jump_to(self, text: str) -> None:
        """Go to a time."""
        moment = self._moment(text)
        if moment is not None:
            self._console.reading.jump(moment)

    def typed_since(self) -> None:
        """Show what is younger than a time."""
        moment = self._moment(" ".join(self._words))
        if moment is not None:
            self._console.reading.between(since=moment)

    def until(self) -> None:
        """Show what is younger, too."""
        self._console.reading.between(until=0.0)

    def typed_until(self) -> None:
        """Show what is older than a time."""
        moment = self._moment(" ".join(self._words))
        if moment is not None:
            self._console.reading.between(until=moment)

    def pretty(self) -> None:
        """Lay JSON out over rows, or not."""
        self._console.reading.toggle_pretty()

    def fold_lines(self) -> None:
        """Show lines alike but for numbers as one row, or not."""
        self._console.reading.toggle_folding()

    def columns(self) -> None:
        """Ask which fields to show in columns; the frequent ones are offered."""
        reading = self._console.reading
        if self._ui.logs.fields:
            reading.set_fields(())
            return
        known = reading.known_fields()
        if not known:
            self._console.deeds.say("no line here has fields: JSON or key=value", Ink.DIM)
            return
        self._console.ask(Mode.COLUMNS, " ".join(known[:6]))

    def typed_columns(self) -> None:
        """Show the fields that were typed."""
        self.show_columns(" ".join(self._words))

    def show_columns(self, text: str) -> None:
        """Show fields in columns, none for whole lines."""
        self._console.reading.set_fields(tuple(dict.fromkeys(text.replace(",", " ").split())))

    def _moment(self, text: str) -> float | None:
        try:
            return read_moment(text, self._ui.view.now)
        except Refused as error:
            self._console.deeds.say(f"{error}; {error.hint}", Ink.BAD)
            return None
