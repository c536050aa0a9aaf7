"""Screens that lie over the main one for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import ModalScreen

from ten_tui.store.arrange import Box
from ten_tui.widgets.facts import FactSheet
from ten_tui.widgets.sheet import HelpSheet, PickerSheet

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from ten_tui.store.inspection import Section
    from ten_tui.store.picker import Picker
    from ten_tui.widgets.palette import Palette

_WHEEL = 3
_HELP_STEPS = {
    "j": 1,
    "down": 1,
    "k": -1,
    "up": -1,
    "pagedown": 10,
    "pageup": -10,
    "space": 10,
}


class _Overlay(ModalScreen[str]):
    """One sheet, in the middle."""

    DEFAULT_CSS = """
    _Overlay { background: transparent; }
    """
    AUTO_FOCUS: ClassVar[str | None] = ""

    def __init__(self, sheet: PickerSheet | HelpSheet | FactSheet) -> None:
        super().__init__()
        self.sheet: PickerSheet | HelpSheet | FactSheet = sheet

    def compose(self) -> ComposeResult:
        """Show the sheet."""
        yield self.sheet

    def on_mount(self) -> None:
        """Place it."""
        self._place()

    def on_resize(self) -> None:
        """Place it anew."""
        self._place()

    def _place(self) -> None:
        width, height = self.app.size
        wide, high = self.sheet.wanted_size(width, height)
        self.sheet.place(Box((width - wide) // 2, max(0, (height - high) // 3), wide, high))
        self.sheet.repaint()

    def take_palette(self, palette: Palette) -> None:
        """Draw in other colours."""
        self.sheet.palette = palette
        self.sheet.repaint()

    def repaint(self) -> None:
        """Draw again."""
        self.sheet.repaint()


class PickScreen(_Overlay):
    """A list; gives back the id of what was chosen, "" for nothing."""

    def __init__(
        self, palette: Palette, picker: Picker, *, on_move: Callable[[str], None] | None = None
    ) -> None:
        """Take the list; `on_move` hears of every item the cursor comes to."""
        self._pick = PickerSheet(palette, picker)
        super().__init__(self._pick)
        self._on_move = on_move

    def on_key(self, event: events.Key) -> None:
        """Give the key to the list."""
        event.stop()
        event.prevent_default()
        before = self._pick.picker.chosen
        result = self._pick.picker.press(event.key, event.character)
        if result is not None:
            self.dismiss(result)
            return
        self._moved(before.id if before else "")

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text as typed."""
        event.stop()
        if self._pick.picker.rate is not None:
            self._pick.picker.prompt.insert(event.text)
            self._pick.picker.place = 0
            self.repaint()

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked; a click beside the sheet leaves."""
        event.stop()
        if event.widget is not self._pick:
            self.dismiss("")
            return
        place = self._pick.item_at(event.y)
        if place is not None:
            item = self._pick.picker.found()[place]
            if not item.is_off:
                self.dismiss(item.id)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, steps: int) -> None:
        event.stop()
        before = self._pick.picker.chosen
        self._pick.picker.press("down" if steps > 0 else "up", None)
        self._moved(before.id if before else "")

    def _moved(self, before: str) -> None:
        chosen = self._pick.picker.chosen
        if self._on_move is not None and chosen is not None and chosen.id != before:
            self._on_move(chosen.id)
        self._place()


class _ScrollScreen(_Overlay):
    """A sheet to read."""

    def __init__(self, sheet: HelpSheet | FactSheet) -> None:
        self._read = sheet
        super().__init__(sheet)

    again = ""
    """What asks for more, and is given back."""

    def on_key(self, event: events.Key) -> None:
        """Scroll; any other key leaves, and Ctrl-C the console, as the help itself says."""
        event.stop()
        event.prevent_default()
        if event.key == "ctrl+c":
            self.app.exit(0)
            return
        if self.again and event.character == self.again:
            self.dismiss(self.again)
            return
        self._scroll(_HELP_STEPS.get(event.key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down."""
        event.stop()
        self._scroll(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        self._scroll(-_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Leave."""
        event.stop()
        self.dismiss("")

    def _scroll(self, steps: int | None) -> None:
        if steps is None:
            self.dismiss("")
            return
        self._read.top += steps
        self.repaint()


class HelpScreen(_ScrollScreen):
    """The help; asked for again, it gives way to the tour."""

    again = "?"

    def __init__(
        self, palette: Palette, title: str, groups: list[tuple[str, list[tuple[str, str]]]]
    ) -> None:
        """Take the groups to show."""
        super().__init__(HelpSheet(palette, title, groups))


class FactScreen(_ScrollScreen):
    """Facts in sections."""

    def __init__(self, palette: Palette, title: str, sections: list[Section]) -> None:
        """Take what is shown."""
        super().__init__(FactSheet(palette, title, sections))
