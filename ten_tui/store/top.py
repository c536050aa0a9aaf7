"""The instance table as lines of text, for `ten top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from ten_tui import format as fmt
from ten_tui.store.columns import (
    GAP,
    Cell,
    Column,
    Facts,
    Field,
    columns_for,
    instance_cell,
    state_cell,
)
from ten_tui.store.table import InstanceRow, Table, build_rows
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.wire import InstanceView
    from ten_tui.store.view import View

_ASCII = str.maketrans({fmt.NOTHING: "-", "↻": "r", "…": "~"})
_COLOURS = {
    Ink.OK: "32",
    Ink.BUSY: "36",
    Ink.WARN: "33",
    Ink.BAD: "31",
    Ink.INFO: "34",
    Ink.COLD: "35",
    Ink.DIM: "2",
    Ink.FAINT: "2",
}


def top_lines(
    view: View,
    table: Table,
    width: int,
    height: int,
    *,
    is_ascii: bool = False,
    is_coloured: bool = False,
) -> list[str]:
    """Draw the table.

    Args:
        view: What is known.
        table: Order and filter.
        width: Columns there are.
        height: Lines there are, head and sum included; 0 for as many as it takes.
        is_ascii: Only characters of ASCII.
        is_coloured: With SGR sequences of the terminal's own colours.
    """
    names = [row.name for row in build_rows(view, table) if isinstance(row, InstanceRow)]
    shown = names[: max(0, height - 2)] if height else names
    longest = max((len(name) for name in names), default=0)
    columns = columns_for(width, longest)
    if is_ascii:
        columns = tuple(one for one in columns if one.field is not Field.LOGS)
    pen = _Pen(width, is_ascii=is_ascii, is_coloured=is_coloured)
    lines = [pen.head(columns)]
    lines += [pen.row(view, view.instances[name], columns) for name in shown]
    lines.append(pen.cut(_sum(view, len(names), len(names) - len(shown))))
    return lines


def _sum(view: View, number: int, hidden: int) -> str:
    counts, host = view.counts(), view.host
    states = ", ".join(f"{counts[state]} {state.value}" for state in fmt.SEVERITY if counts[state])
    more = f", {hidden} not shown" if hidden else ""
    return (
        f"{fmt.plural(number, 'instance')} ({states or 'none'}{more})  "
        f"cpu {host.cpu_cores:.2f}/{host.cores}  {host.requests:.0f} req/s  "
        f"{host.errors:.1f} err/s"
    )


class _Pen:
    def __init__(self, width: int, *, is_ascii: bool, is_coloured: bool) -> None:
        self._width = width
        self._is_ascii = is_ascii
        self._is_coloured = is_coloured

    def cut(self, text: str) -> str:
        text = self._plain(text)
        return text if cell_len(text) <= self._width else set_cell_size(text, self._width).rstrip()

    def head(self, columns: tuple[Column, ...]) -> str:
        cells = [_set(self._plain(one.field.value), one) for one in columns]
        text = self.cut((" " * GAP).join(cells)).rstrip()
        return f"\x1b[1m{text}\x1b[0m" if self._is_coloured else text

    def row(self, view: View, one: InstanceView, columns: tuple[Column, ...]) -> str:
        facts = Facts(one, view.sample(one.name), view.sparks.get(one.name), view.now)
        cells = []
        for column in columns:
            cell = self._cell(column.field, facts)
            text = _set(self._plain(cell.text), column)
            cells.append(self._coloured(text, cell))
        return (" " * GAP).join(cells).rstrip()

    def _cell(self, field: Field, facts: Facts) -> Cell:
        if field is Field.NAME:
            return Cell(((facts.instance.name, Ink.TEXT),))
        if field is Field.STATE:
            return state_cell(facts.instance, facts.now, is_plain=self._is_ascii)
        return instance_cell(field, facts)

    def _plain(self, text: str) -> str:
        text = fmt.clean(text)
        if self._is_ascii:
            text = text.translate(_ASCII).encode("ascii", "replace").decode()
        return text

    def _coloured(self, text: str, cell: Cell) -> str:
        code = _COLOURS.get(cell.parts[0][1]) if self._is_coloured and cell.parts else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _set(text: str, column: Column) -> str:
    """Set text in a column, to the left or to the right; it never pushes the next one."""
    wide = cell_len(text)
    if wide > column.width:
        return set_cell_size(text, column.width)
    blank = " " * (column.width - wide)
    return text + blank if column.is_left else blank + text
