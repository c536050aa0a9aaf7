"""What `:set` does: limits of the selection or of who is named."""

from __future__ import annotations

from engine.core.limits import BadLimit, read_pairs
from ten_tui.deeds import valid_names
from ten_tui.panecommands import PaneCommands
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink


class LimitCommands(PaneCommands):
    """The action that limits."""

    def set(self) -> None:
        """Ask for a limit."""
        self._console.ask(Mode.COMMAND, "set ")

    def typed_set(self) -> None:
        """Set the limits that were typed, of what was named or selected."""
        names = valid_names(self._words)
        try:
            texts = read_pairs(word for word in self._words if word not in names)
        except BadLimit as error:
            self._console.deeds.say(str(error), Ink.BAD)
            return
        if not texts:
            self._console.deeds.say("set what? for example memory_max=512M", Ink.DIM)
            return
        self._console.deeds.set_limits(names or self._ui.table.targets(), texts)
