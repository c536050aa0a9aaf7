"""The base of every pane: rows that are drawn anew only where they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.widget import Widget

from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line

if TYPE_CHECKING:
    from textual import events
    from textual.strip import Strip

    from ten_tui.store.arrange import Box
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

BAR = "▌"


class Pane(Widget):
    """A widget of rows. A subclass says what they are; this finds out which to repaint.

    It goes past Textual's style cache, scrollbars and focus: every cell is drawn by `rows`.
    """

    DEFAULT_CSS = """
    Pane { position: absolute; background: transparent; overflow: hidden; }
    """

    _ui: UiState

    def __init__(self, palette: Palette, **options: str) -> None:
        """Take the palette to draw with."""
        super().__init__(id=options.get("id"))
        self.palette = palette
        self.is_active = False
        self.is_side = False
        self.tabs = ""
        self._rows: list[list[tuple[str, object]]] = []
        self._strips: list[Strip] = []
        self._drawn_size = (0, 0)

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the pane: at most `height` rows, each cut or filled to `width` by the caller."""
        raise NotImplementedError

    def show(self, ui: UiState) -> None:
        """Show another state from now on."""
        self._ui = ui

    def place(self, box: Box | None) -> None:
        """Put it where the arrangement says, or out of sight."""
        self.display = box is not None
        if box is None:
            return
        styles = self.styles
        styles.offset = (box.x, box.y)
        styles.width = box.width
        styles.height = box.height

    def repaint(self) -> None:
        """Draw again and repaint the rows that changed."""
        width, height = self.size
        if not self.display or not self.is_attached or width <= 0 or height <= 0:
            return
        old = self._rows if self._drawn_size == (width, height) else []
        changed = self._draw(width, height, old)
        if len(changed) == height:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _draw(self, width: int, height: int, old: list[list[tuple[str, object]]]) -> list[int]:
        blank = self.palette.style(Ink.TEXT, self.ground)
        lines = self.rows(width, height)[:height]
        lines.extend(Line() for _ in range(height - len(lines)))
        strips, rows, changed = [], [], []
        for y, line in enumerate(lines):
            line.fill(width, blank)
            rows.append(line.parts)
            if y < len(old) and old[y] == line.parts:
                strips.append(self._strips[y])
            else:
                changed.append(y)
                strips.append(line.strip(width))
        self._rows, self._strips, self._drawn_size = rows, strips, (width, height)  # type: ignore[assignment]
        return changed

    @property
    def ground(self) -> Ground:
        """What the pane lies on: a pane beside the others is a shade apart."""
        return Ground.SIDE if self.is_side else Ground.BASE

    def render_lines(self, crop: Region) -> list[Strip]:
        """Give Textual the rows of a region."""
        width, height = self.size
        if self._drawn_size != (width, height):
            self._draw(width, height, [])
        strips = self._strips[crop.y : crop.bottom]
        if crop.x or crop.right < width:
            return [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take what there is."""
        return container.width

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size."""
        event.stop()
        self.repaint()

    def title(
        self,
        text: str,
        width: int,
        *,
        number: str = "",
        note: str = "",
        note_ink: Ink = Ink.FAINT,
    ) -> Line:
        """Draw a pane's head: a bar and an accent where it has the keys, nothing moves."""
        style = self.palette.style
        ground = Ground.RAISED
        ink = Ink.ACCENT if self.is_active else Ink.DIM
        line = Line().put(BAR if self.is_active else " ", style(Ink.ACCENT, ground))
        line.put(text, style(ink, ground, is_bold=self.is_active))
        if number:
            line.put(f" {number}", style(Ink.FAINT, ground))
        self.put_tabs(line, width - len(note) - 3)
        if note:
            line.right(note, style(note_ink, ground), width - 1, style(Ink.TEXT, ground))
        return line.fill(width, style(Ink.TEXT, ground))

    def put_tabs(self, line: Line, edge: int) -> None:
        """Name the panes that share this place, with their keys, where there is room."""
        if self.tabs and line.width + len(self.tabs) + 3 < edge:
            line.put(f"   {self.tabs}", self.palette.style(Ink.FAINT, Ground.RAISED))
