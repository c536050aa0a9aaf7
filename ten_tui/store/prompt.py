"""A line of text being typed: the foot line's prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HISTORY = 100
LONGEST = 500


@dataclass
class Prompt:
    """Text, a cursor in it, and what was typed before.

    Attributes:
        label: What stands before it, for example "/" or ":".
    """

    label: str = ""
    text: str = ""
    cursor: int = 0
    history: list[str] = field(default_factory=list)
    _back: int = 0

    def begin(self, label: str, text: str = "") -> None:
        """Start anew with some text, the cursor at its end."""
        self.label, self.text = label, text
        self.cursor = len(text)
        self._back = 0

    def insert(self, text: str) -> None:
        """Put text in at the cursor; line ends and controls become spaces."""
        clean = "".join(char if char.isprintable() else " " for char in text)
        clean = clean[: LONGEST - len(self.text)]
        self.text = self.text[: self.cursor] + clean + self.text[self.cursor :]
        self.cursor += len(clean)

    def press(self, key: str, character: str | None) -> bool:
        """Take a key; tells whether it meant anything here."""
        edit = _EDITS.get(key)
        if edit is not None:
            self.text, self.cursor = edit(self.text, self.cursor)
            return True
        if key in {"up", "down"}:
            self._recall(1 if key == "up" else -1)
            return True
        if character and character.isprintable():
            self.insert(character)
            return True
        return False

    def accept(self) -> str:
        """Take the text and remember it."""
        text = self.text.strip()
        if text and (not self.history or self.history[-1] != text):
            self.history.append(text)
            del self.history[:-HISTORY]
        return text

    def _recall(self, steps: int) -> None:
        back = max(0, min(len(self.history), self._back + steps))
        if back != self._back:
            self._back = back
            self.text = self.history[-back] if back else ""
            self.cursor = len(self.text)


def _word_left(text: str, cursor: int) -> int:
    while cursor and text[cursor - 1] == " ":
        cursor -= 1
    while cursor and text[cursor - 1] != " ":
        cursor -= 1
    return cursor


def _drop_word(text: str, cursor: int) -> tuple[str, int]:
    start = _word_left(text, cursor)
    return text[:start] + text[cursor:], start


_EDITS: dict[str, Callable[[str, int], tuple[str, int]]] = {
    "left": lambda text, at: (text, max(0, at - 1)),
    "right": lambda text, at: (text, min(len(text), at + 1)),
    "ctrl+left": lambda text, at: (text, _word_left(text, at)),
    "home": lambda text, _: (text, 0),
    "end": lambda text, _: (text, len(text)),
    "backspace": lambda text, at: (text[: max(0, at - 1)] + text[at:], max(0, at - 1)),
    "delete": lambda text, at: (text[:at] + text[at + 1 :], at),
    "ctrl+w": _drop_word,
    "ctrl+u": lambda text, at: (text[at:], 0),
    "ctrl+k": lambda text, at: (text[:at], at),
}
