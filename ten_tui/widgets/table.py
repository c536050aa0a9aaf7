"""The instance table: a row an instance, grouped by service, drawn only where it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store.columns import (
    GAP,
    Cell,
    Column,
    Facts,
    Field,
    columns_for,
    instance_cell,
    sum_cell,
)
from ten_tui.store.table import GroupRow, InstanceRow, Order, longest_name
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from rich.style import Style

    from ten_tui.store.table import Row
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_EDGE = 2
"""Cells before the name: the bar and the mark."""

_SORTED = {
    Order.NAME: Field.NAME,
    Order.STATE: Field.STATE,
    Order.CPU: Field.CPU,
    Order.MEMORY: Field.MEMORY,
    Order.REQUESTS: Field.REQUESTS,
    Order.P95: Field.P95,
    Order.ERRORS: Field.ERRORS,
    Order.LOGS: Field.LOGS,
    Order.UPTIME: Field.UPTIME,
    Order.RESTARTS: Field.RESTARTS,
}


class InstanceTable(Pane):
    """The pane of instances."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="table")
        self._ui = ui

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head with the columns' titles, then the rows in view."""
        table, view = self._ui.table, self._ui.view
        columns = columns_for(width - _EDGE - 1, longest_name(view.instances.values()))
        lines = [self._titles(columns, width)]
        body = height - 1
        table.scroll(body)
        in_view = table.rows[table.top : table.top + body]
        lines.extend(self._row(row, columns, width) for row in in_view)
        if not table.rows:
            lines.extend(self._empty())
        return lines

    def row_at(self, y: int) -> Row | None:
        """Find the row drawn at a place of the pane."""
        place = self._ui.table.top + y - 1
        rows = self._ui.table.rows
        return rows[place] if y >= 1 and 0 <= place < len(rows) else None

    def _titles(self, columns: tuple[Column, ...], width: int) -> Line:
        table, style = self._ui.table, self.palette.style
        line = Line()
        ground = Ground.RAISED
        accent = style(Ink.ACCENT, ground, is_bold=True)
        line.put(BAR if self.is_active else " ", accent)
        sort = _SORTED[table.order]
        arrow = "▾" if table.is_descending else "▴"
        for column in columns:
            is_sorted = column.field is sort and table.order is not Order.NAME
            text = column.field.value
            if column.field is Field.NAME:
                text, plain = self._title_text(column.width), style(Ink.DIM, ground)
                line.put(text, accent if self.is_active else plain)
                line.to(_EDGE + column.width, plain)
                continue
            pen = style(Ink.ACCENT if is_sorted else Ink.FAINT, ground)
            start = line.width + GAP
            text = cut(text + (arrow if is_sorted else ""), column.width)
            line.to(start if column.is_left else start + column.width - len(text), pen)
            line.put(text, pen).to(start + column.width, pen)
        return line.fill(width, style(Ink.TEXT, ground))

    def _title_text(self, width: int) -> str:
        table, total = self._ui.table, len(self._ui.view.instances)
        if table.marks:
            return cut(f"{len(table.marks)} marked", width)
        if not table.filter:
            return cut(f"instances {total}", width)
        shown = sum(isinstance(row, InstanceRow) for row in table.rows)
        return cut(f"{shown}/{total} /{table.filter}", width)

    def _row(self, row: Row, columns: tuple[Column, ...], width: int) -> Line:
        is_here = row.key == self._ui.table.cursor
        ground = Ground.BASE
        if is_here:
            ground = Ground.SELECT if self.is_active else Ground.QUIET
        line = Line()
        style = self.palette.style
        line.put(BAR if is_here and self.is_active else " ", style(Ink.ACCENT, ground))
        if isinstance(row, GroupRow):
            self._group(line, row, columns, ground)
        else:
            self._instance(line, row, columns, ground)
        return line.fill(width, style(Ink.TEXT, ground))

    def _group(
        self, line: Line, row: GroupRow, columns: tuple[Column, ...], ground: Ground
    ) -> None:
        style = self.palette.style
        line.put("▸" if row.is_folded else "▾", style(Ink.FAINT, ground))
        name = columns[0]
        number = f" {len(row.members)}"
        line.put(cut(row.service, name.width - len(number)), style(Ink.TEXT, ground, is_bold=True))
        line.put(number, style(Ink.FAINT, ground)).to(_EDGE + name.width, style(Ink.TEXT, ground))
        for column in columns[1:]:
            if column.field is Field.STATE:
                self._states(line, row, column, ground)
                continue
            cell = sum_cell(column.field, row.sums) if row.is_folded else None
            self._cell(line, column, cell, ground)

    def _states(self, line: Line, row: GroupRow, column: Column, ground: Ground) -> None:
        style = self.palette.style
        start = line.width + GAP
        line.to(start, style(Ink.TEXT, ground))
        for state, number in row.states:
            mark = fmt.MARKS[state]
            text = f"{mark.glyph}{number} "
            if line.width + len(text) > start + column.width:
                break
            line.put(text, style(mark.ink, ground))
        line.to(start + column.width, style(Ink.TEXT, ground))

    def _instance(
        self, line: Line, row: InstanceRow, columns: tuple[Column, ...], ground: Ground
    ) -> None:
        view, table, style = self._ui.view, self._ui.table, self.palette.style
        instance = view.shown.get(row.name)
        if instance is None:
            return
        is_marked = row.name in table.marks
        line.put("✓" if is_marked else " ", style(Ink.ACCENT, ground, is_bold=True))
        name = columns[0]
        indent = "  " if table.is_grouped else ""
        prefix = cut(f"{indent}{instance.service}:", name.width - 1)
        line.put(prefix, style(Ink.FAINT, ground))
        line.put(
            cut(instance.id, name.width - len(prefix)),
            style(Ink.ACCENT if is_marked else Ink.TEXT, ground),
        )
        line.to(_EDGE + name.width, style(Ink.TEXT, ground))
        facts = Facts(instance, view.sample(row.name), view.spark(row.name), view.shown_at)
        for column in columns[1:]:
            self._cell(line, column, instance_cell(column.field, facts), ground)

    def _cell(self, line: Line, column: Column, cell: Cell | None, ground: Ground) -> None:
        style = self.palette.style
        blank: Style = style(Ink.TEXT, ground)
        start = line.width + GAP
        if cell is not None:
            text = cell.text
            if len(text) > column.width:
                cell = Cell(((cut(text, column.width), cell.parts[0][1]),), cell.is_bold)
                text = cell.text
            line.to(start if column.is_left else start + column.width - len(text), blank)
            for part, ink in cell.parts:
                line.put(part, style(ink, ground, is_bold=cell.is_bold))
        line.to(start + column.width, blank)

    def _empty(self) -> list[Line]:
        view, style = self._ui.view, self.palette.style
        if view.engine is None:
            text = "waiting for the engine"
        elif self._ui.table.filter:
            text = "nothing matches: Esc clears the filter"
        elif view.services:
            some = min(view.services)
            text = f"no instances yet: `ten spawn {some}:NAME` starts one, a request does too"
        else:
            text = "no services in the configuration: :config shows it"
        return [Line(), Line().to(_EDGE, style(Ink.TEXT)).put(text, style(Ink.DIM))]
