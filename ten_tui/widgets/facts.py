"""A sheet of facts: what the isolation card and the doctor are drawn on."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ten_tui.format import clean
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ten_tui.store.inspection import Section
    from ten_tui.store.why import Fact
    from ten_tui.widgets.palette import Palette

_EDGE = 2
_MOST_WIDTH = 110
_MOST_LABEL = 40


class FactSheet(Sheet):
    """Sections of facts, a label and a text each, which scroll together."""

    def __init__(self, palette: Palette, title: str, sections: Sequence[Section]) -> None:
        """Take what is shown."""
        super().__init__(palette, id="facts")
        self._title = title
        self._sections = sections
        self._drawn: tuple[int, list[Line]] = (0, [])
        self.top = 0

    def wanted_size(self, width: int, height: int) -> tuple[int, int]:
        """Take nearly all of a small terminal."""
        wide = max(1, min(width - 2, _MOST_WIDTH))
        return wide, max(1, min(height - 2, len(self._body(wide)) + 2))

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the title, then the part that is scrolled to."""
        body, room = self._body(width), max(1, height - 1)
        self.top = max(0, min(self.top, len(body) - room))
        more = "j k scroll · Esc leaves" if len(body) > room else "Esc leaves"
        return [self.heading(self._title, more, width), *body[self.top : self.top + room]]

    def _body(self, width: int) -> list[Line]:
        """Lay everything out; done anew only for another width."""
        if self._drawn[0] != width:
            lines: list[Line] = []
            for section in self._sections:
                lines += self._section(section, width)
            self._drawn = width, lines
        return self._drawn[1]

    def repaint(self) -> None:
        """Draw again, maybe in other colours."""
        self._drawn = 0, []
        super().repaint()

    def _section(self, section: Section, width: int) -> list[Line]:
        style = self.palette.style
        blank = style(Ink.TEXT, Ground.OVERLAY)
        lines = [Line()]
        if section.title:
            bold = style(Ink.TEXT, Ground.OVERLAY, is_bold=True)
            lines.append(Line().put(" ", blank).put(cut(section.title, width - 2), bold))
        labels = max((len(fact.label) for fact in section.facts), default=0)
        column = min(labels, _MOST_LABEL, width // 2)
        for fact in section.facts:
            lines += self._fact(fact, column, width)
        return lines

    def _fact(self, fact: Fact, column: int, width: int) -> list[Line]:
        style = self.palette.style
        start = _EDGE + (column + 2 if column else 0)
        room = max(1, width - start - 1)
        text = clean(fact.text)
        indent = " " * (len(text) - len(text.lstrip()))
        pieces = textwrap.wrap(text, room, subsequent_indent=indent, drop_whitespace=True) or [""]
        lines = []
        for place, piece in enumerate(pieces):
            line = Line().to(_EDGE, style(Ink.TEXT, Ground.OVERLAY))
            if column:
                label = cut(clean(fact.label), column) if not place else ""
                line.put(label, style(Ink.DIM, Ground.OVERLAY))
                line.to(start, style(Ink.TEXT, Ground.OVERLAY))
            lines.append(line.put(piece, style(fact.ink, Ground.OVERLAY)))
        return lines
