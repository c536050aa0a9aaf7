"""A row of a pane being put together: pieces of text with their styles, cut to a width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from ten_tui.format import clean

if TYPE_CHECKING:
    from rich.style import Style

ELLIPSIS = "…"


def cut(text: str, width: int) -> str:
    """Cut text to a width in cells, with an ellipsis where something is left out."""
    if text.isascii():
        return text if len(text) <= width else text[: max(0, width - 1)] + ELLIPSIS[: max(0, width)]
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + ELLIPSIS if width > 0 else ""


class Line:
    """One row. Everything put on it is made safe first."""

    __slots__ = ("parts", "width")

    def __init__(self) -> None:
        """Begin at the left edge."""
        self.parts: list[tuple[str, Style]] = []
        self.width = 0

    def put(self, text: str, style: Style) -> Line:
        """Add text after what is there."""
        text = clean(text)
        if text:
            self.parts.append((text, style))
            self.width += len(text) if text.isascii() else cell_len(text)
        return self

    def to(self, column: int, style: Style) -> Line:
        """Fill with blanks up to a column."""
        if column > self.width:
            self.parts.append((" " * (column - self.width), style))
            self.width = column
        return self

    def right(self, text: str, style: Style, edge: int, fill: Style) -> Line:
        """Set text to end at a column; it is cut if it does not fit behind what is there."""
        text = cut(clean(text), edge - self.width)
        return self.to(edge - cell_len(text), fill).put(text, style)

    def fill(self, width: int, style: Style) -> Line:
        """Fill the row to its width."""
        return self.to(width, style)

    def strip(self, width: int) -> Strip:
        """Give the row as Textual draws it, cut to its width."""
        strip = Strip([Segment(text, style) for text, style in self.parts], self.width)
        return strip.crop(0, width) if self.width > width else strip
