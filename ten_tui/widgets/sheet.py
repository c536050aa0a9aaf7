"""What lies over the panes for a moment: a list to choose from, or the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ten_tui.store.picker import Item, Picker
    from ten_tui.widgets.palette import Palette

HELP_COLUMN = 46
_EDGE = 2


class Sheet(Pane):
    """A pane a shade above the others, with its title in the accent."""

    @property
    def ground(self) -> Ground:
        """It lies over everything."""
        return Ground.OVERLAY

    def heading(self, text: str, note: str, width: int) -> Line:
        """Draw the title row."""
        style = self.palette.style
        line = Line().put(BAR, style(Ink.ACCENT, Ground.SELECT))
        line.put(f" {text}", style(Ink.TEXT, Ground.SELECT, is_bold=True))
        blank = style(Ink.TEXT, Ground.SELECT)
        return line.right(note, style(Ink.DIM, Ground.SELECT), width - 1, blank).fill(width, blank)


class PickerSheet(Sheet):
    """A list to choose from."""

    def __init__(self, palette: Palette, picker: Picker) -> None:
        """Take the list."""
        super().__init__(palette, id="picker")
        self.picker = picker

    def wanted_size(self, width: int, height: int) -> tuple[int, int]:
        """Say how much room it wants of the terminal."""
        picker = self.picker
        widest = max(
            [len(picker.title) + 20]
            + [len(item.label) + len(item.note) + 8 for item in picker.items]
            + [len(line) + 2 * _EDGE for line in picker.text]
        )
        rows = 1 + len(picker.text) + len(picker.items)
        rows += (picker.rate is not None) + bool(picker.text) + 1
        return max(1, min(width - 2, max(36, widest), 96)), max(1, min(height - 2, rows))

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw title, text, what is typed, and the items."""
        picker, style = self.picker, self.palette.style
        lines = [self.heading(picker.title, "Esc leaves", width)]
        if picker.rate is not None:
            lines.append(self._typed())
        for text in picker.text:
            line = Line().to(_EDGE, style(Ink.TEXT, Ground.OVERLAY))
            lines.append(line.put(cut(text, width - _EDGE), style(Ink.TEXT, Ground.OVERLAY)))
        if picker.text:
            lines.append(Line())
        for item, is_here in picker.scroll(max(1, height - len(lines))):
            lines.append(self._item(item, width, is_here=is_here))
        return lines

    def _typed(self) -> Line:
        prompt, style = self.picker.prompt, self.palette.style
        ground = Ground.OVERLAY
        line = Line().put(" > ", style(Ink.ACCENT, ground))
        line.put(prompt.text[: prompt.cursor], style(Ink.TEXT, ground))
        line.put(
            prompt.text[prompt.cursor : prompt.cursor + 1] or " ", style(Ink.TEXT, Ground.SELECT)
        )
        return line.put(prompt.text[prompt.cursor + 1 :], style(Ink.TEXT, ground))

    def _item(self, item: Item, width: int, *, is_here: bool) -> Line:
        style = self.palette.style
        ground = Ground.SELECT if is_here else Ground.OVERLAY
        blank = style(Ink.TEXT, ground)
        line = Line().put(BAR if is_here else " ", style(Ink.ACCENT, ground)).to(_EDGE, blank)
        if item.key:
            line.put(f"{item.key} ", style(Ink.ACCENT, ground))
        ink = Ink.FAINT if item.is_off else Ink.TEXT
        line.put(cut(item.label, width - line.width - 1), style(ink, ground))
        if item.note and line.width + 6 < width:
            note = cut(item.note, width - line.width - 3)
            line.right(note, style(Ink.DIM, ground), width - 1, blank)
        return line.fill(width, blank)

    def item_at(self, y: int) -> int | None:
        """Find the place of the item drawn at a row."""
        picker = self.picker
        first = 1 + (picker.rate is not None) + len(picker.text) + bool(picker.text)
        place = picker.top + y - first
        return place if y >= first and 0 <= place < len(picker.found()) else None


class HelpSheet(Sheet):
    """Keys and what they do, in as many columns as fit."""

    def __init__(
        self, palette: Palette, title: str, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    ) -> None:
        """Take groups of (keys, what they do)."""
        super().__init__(palette, id="help")
        self._title = title
        self._groups = groups
        self.top = 0

    def wanted_size(self, width: int, height: int) -> tuple[int, int]:
        """Take nearly all."""
        columns = self._columns(width - 4)
        rows = max(map(len, columns)) + 3
        return min(width - 2, len(columns) * HELP_COLUMN + 2), min(height - 2, rows)

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the title and the groups, set in columns."""
        columns = self._columns(width - 2)
        longest, body = max(map(len, columns)), height - 2
        self.top = max(0, min(self.top, longest - body))
        more = "? tour · Esc leaves"
        more = f"j k scroll · {more}" if longest > body else more
        lines = [self.heading(self._title, more, width), Line()]
        for row in range(self.top, min(longest, self.top + body)):
            line = Line().to(1, self.palette.style(Ink.TEXT, Ground.OVERLAY))
            for place, cells in enumerate(columns):
                if row < len(cells):
                    self._cell(line, cells[row], 1 + place * HELP_COLUMN)
            lines.append(line)
        return lines

    def _columns(self, width: int) -> list[list[tuple[str, str]]]:
        """Set the groups in columns of about one height; a group is not torn."""
        number = max(1, min(3, width // HELP_COLUMN))
        total = sum(len(rows) + 2 for _, rows in self._groups)
        columns: list[list[tuple[str, str]]] = [[]]
        for name, rows in self._groups:
            has_room = len(columns[-1]) + len(rows) // 2 < total / number
            if columns[-1] and not has_room and len(columns) < number:
                columns.append([])
            if columns[-1]:
                columns[-1].append(("", ""))
            columns[-1] += [(name, ""), *rows]
        return columns

    def _cell(self, line: Line, cell: tuple[str, str], column: int) -> None:
        style = self.palette.style
        keys, text = cell
        line.to(column, style(Ink.TEXT, Ground.OVERLAY))
        if not text:
            line.put(f" {keys}", style(Ink.TEXT, Ground.OVERLAY, is_bold=True))
            return
        line.put(f"{keys:>10}  ", style(Ink.ACCENT, Ground.OVERLAY))
        line.put(cut(text, HELP_COLUMN - 13), style(Ink.DIM, Ground.OVERLAY))
