"""The config pane: the file as the engine has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store.configtext import config_rows
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from ten_tui.store.configtext import ConfigRow
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette


class ConfigPane(Pane):
    """Text, diff, and what was refused."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="config")
        self._ui = ui

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head and the rows in view."""
        config, scroll = self._ui.view.config, self._ui.config
        if config is None:
            return [self.title("config", width)]
        content = config_rows(config, is_diff=self._ui.is_diff)
        body = height - 1
        scroll.clamp(len(content), body)
        what = "diff" if self._ui.is_diff else "refused" if config.error else "in force"
        note = f"{config.path} · {fmt.clock(config.loaded_at)}"
        lines = [self.title("config", width, number=what, note=note)]
        column = len(str(len(content)))
        for place in range(scroll.top, min(len(content), scroll.top + body)):
            is_here = self.is_active and place == scroll.cursor
            lines.append(self._row(content[place], column, width, is_here=is_here))
        return lines

    def _row(self, row: ConfigRow, column: int, width: int, *, is_here: bool) -> Line:
        style = self.palette.style
        ground = Ground.SELECT if is_here else Ground.QUIET if row.is_error else Ground.BASE
        line = Line().put(BAR if is_here else " ", style(Ink.ACCENT, ground))
        if not self._ui.is_diff:
            number = str(row.number) if row.number else ""
            line.put(f"{number:>{column}} ", style(Ink.FAINT, ground))
            line.put("✖ " if row.is_error else "  ", style(Ink.BAD, ground))
        text = row.text[self._ui.config.column :]
        line.put(text, style(Ink.BAD if row.is_error else row.ink, ground))
        return line.fill(width, style(Ink.TEXT, ground))
