"""The foot line: what the keys do here, what was just done, and the line being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui.store.ui import Mode
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Callable

    from ten_tui.actions import Hint
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_GAP = "   "
_LEAST_COMMAND = 8
"""Cells below which a cut command says nothing."""


class Foot(Pane):
    """One row at the bottom."""

    def __init__(
        self,
        palette: Palette,
        ui: UiState,
        clock: Callable[[], float],
        hints: Callable[[], list[Hint]],
    ) -> None:
        """Take what it shows; `hints` gives the keys that matter now."""
        super().__init__(palette, id="foot")
        self._ui = ui
        self._clock = clock
        self._hints = hints
        self._spans: list[tuple[int, int, str]] = []

    def key_at(self, x: int) -> str:
        """Give the key that is written at a column, "" for none: a click there is a press of it."""
        return next((key for start, end, key in self._spans if start <= x < end), "")

    @property
    def ground(self) -> Ground:
        """The foot lies a shade above the panes."""
        return Ground.RAISED

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the prompt, the message, or the hints; the undo offer stands at the right."""
        undo = self._undo(width * 3 // 5)
        room = width - (len(undo) + 3 if undo else 0)
        self._spans = []
        if self._ui.mode is not Mode.NONE:
            line = self._prompt(room)
        elif self._ui.message.until > self._clock():
            line = self._message(room)
        else:
            line = self._keys(room)
        style = self.palette.style
        if undo:
            ground = style(Ink.TEXT, Ground.RAISED)
            key = self._ui.keys.get("undo", "u")
            if not key.startswith(":"):
                self._spans.append((width - 1 - len(undo), width, key))
            line.right(undo, style(Ink.WARN, Ground.RAISED, is_bold=True), width - 1, ground)
        return [line][:height]

    def _undo(self, width: int) -> str:
        """Write the offer; what it is about is cut before the seconds left are."""
        offer = self._ui.undo
        left = offer.until - self._clock() if offer else 0.0
        if offer is None or left <= 0:
            return ""
        seconds = f" · {left:.0f}s"
        key = self._ui.keys.get("undo", "u")
        return cut(f"{key} undoes {offer.text}", max(8, width - len(seconds))) + seconds

    def _prompt(self, width: int) -> Line:
        prompt, style = self._ui.prompt, self.palette.style
        line = Line().put(f" {prompt.label}", style(Ink.ACCENT, Ground.RAISED, is_bold=True))
        room = max(1, width - line.width - 2)
        start = max(0, prompt.cursor - room + 1)
        before = prompt.text[start : prompt.cursor]
        under = prompt.text[prompt.cursor : prompt.cursor + 1] or " "
        after = prompt.text[prompt.cursor + 1 : start + room]
        line.put(before, style(Ink.TEXT, Ground.RAISED))
        line.put(under, style(Ink.TEXT, Ground.SELECT))
        line.put(after, style(Ink.TEXT, Ground.RAISED))
        note = self._ui.message.text if self._ui.message.until > self._clock() else ""
        if note:
            line.put(f"  {cut(note, width - line.width - 3)}", style(Ink.DIM, Ground.RAISED))
        return line

    def _message(self, width: int) -> Line:
        message, style = self._ui.message, self.palette.style
        line = Line().put(" ", style(Ink.TEXT, Ground.RAISED))
        line.put(cut(message.text, width - 2), style(message.ink, Ground.RAISED))
        command = message.command
        copies = f"  {self._ui.keys.get('copy', 'y')} copies"
        room = width - line.width - len(_GAP) - len(copies)
        if command and room >= _LEAST_COMMAND:
            line.put(_GAP, style(Ink.FAINT, Ground.RAISED))
            line.put(cut(command, room), style(Ink.DIM, Ground.RAISED))
            line.put(copies, style(Ink.FAINT, Ground.RAISED))
        return line

    def _keys(self, width: int) -> Line:
        style = self.palette.style
        line = Line()
        can_act = self._ui.view.can_act
        for key, word, acts in self._hints():
            if line.width + len(key) + len(word) + 3 > width:
                break
            self._spans.append((line.width, line.width + len(key) + len(word) + 3, key))
            is_off = acts and not can_act
            line.put(f" {key}", style(Ink.FAINT if is_off else Ink.ACCENT, Ground.RAISED))
            line.put(f" {word} ", style(Ink.FAINT if is_off else Ink.DIM, Ground.RAISED))
        return line
