"""What the actions do that are about time: how much of the past is shown, and which moment."""

from __future__ import annotations

from ten_tui.panecommands import PaneCommands
from ten_tui.store.arrange import PaneId
from ten_tui.store.timeline import STEPS


class TimeCommands(PaneCommands):
    """The actions of graphs and time cursor."""

    def span_less(self) -> None:
        """Show less of the past."""
        self._console.looking.zoom(-1)

    def span_more(self) -> None:
        """Show more of the past."""
        self._console.looking.zoom(1)

    def histogram(self) -> None:
        """Show the log's rate above its lines, or not."""
        self._ui.has_histogram = not self._ui.has_histogram
        self._console.reading.watch()
        self._console.looking.refresh()
        self._console.stage.repaint((PaneId.LOG,))

    def rendering(self) -> None:
        """Draw graphs with something else."""
        self._console.looking.next_rendering()

    def column_earlier(self) -> None:
        """Move the time cursor a column to the past."""
        self._console.looking.move_columns(-1)

    def column_later(self) -> None:
        """Move it a column towards now."""
        self._console.looking.move_columns(1)

    def earlier(self) -> None:
        """Move the console a step to the past."""
        self._console.looking.move(-1)

    def later(self) -> None:
        """Move it a step towards now."""
        self._console.looking.move(1)

    def far_earlier(self) -> None:
        """Move it half a span to the past."""
        self._console.looking.move(-STEPS / 2)

    def far_later(self) -> None:
        """Move it half a span towards now."""
        self._console.looking.move(STEPS / 2)

    def look_here(self) -> None:
        """Look at the time of the line or event under the cursor."""
        self._console.looking.go_here()

    def now(self) -> None:
        """Show now again."""
        self._console.looking.back()
