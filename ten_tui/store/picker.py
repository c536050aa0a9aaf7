"""A list to choose from: the palette, the menu, the themes, a question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ten_tui.store.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Item:
    """One thing to choose.

    Attributes:
        id: What is given back.
        note: Stands at the right: a key, a command line.
        key: Chooses it at once, where nothing can be typed.
        is_off: Shown, and cannot be chosen.
    """

    id: str
    label: str
    note: str = ""
    key: str = ""
    is_off: bool = False


@dataclass
class Picker:
    """The list and what is typed to narrow it.

    Attributes:
        rate: Rates an item against what was typed, None where it does not fit; None for a list
            that is not narrowed.
    """

    title: str
    items: list[Item]
    text: tuple[str, ...] = ()
    rate: Callable[[str, str], int | None] | None = None
    place: int = 0
    top: int = 0
    prompt: Prompt = field(default_factory=Prompt)

    def found(self) -> list[Item]:
        """Give the items that fit, the best first."""
        query = self.prompt.text
        if self.rate is None or not query:
            return self.items
        rated = []
        for place, item in enumerate(self.items):
            cost = self.rate(query, item.label)
            if cost is not None:
                rated.append((cost, place, item))
        return [item for _, _, item in sorted(rated, key=lambda entry: entry[:2])]

    @property
    def chosen(self) -> Item | None:
        """The item under the cursor."""
        found = self.found()
        return found[min(self.place, len(found) - 1)] if found else None

    def press(self, key: str, character: str | None) -> str | None:
        """Take a key; gives the id of what was chosen, "" to leave without, None to go on."""
        if key in {"escape", "ctrl+c"}:
            return ""
        if key == "enter":
            item = self.chosen
            return item.id if item is not None and not item.is_off else None
        steps = _STEPS.get(key)
        if steps is None and self.rate is None:
            steps = _PLAIN_STEPS.get(key)
        if steps is not None:
            self.place = max(0, min(len(self.found()) - 1, self.place + steps))
            return None
        if self.rate is not None:
            if self.prompt.press(key, character):
                self.place = self.top = 0
            return None
        return self._by_key(character or key)

    def _by_key(self, key: str) -> str | None:
        if key == "q":
            return ""
        return next((i.id for i in self.items if i.key == key and not i.is_off), None)

    def scroll(self, height: int) -> list[tuple[Item, bool]]:
        """Give the items in view, each with whether the cursor is on it."""
        found = self.found()
        self.place = max(0, min(self.place, len(found) - 1))
        self.top = max(min(self.top, self.place), self.place - height + 1)
        part = found[self.top : self.top + height]
        return [(item, self.top + at == self.place) for at, item in enumerate(part)]


_STEPS = {
    "down": 1,
    "up": -1,
    "ctrl+n": 1,
    "ctrl+p": -1,
    "tab": 1,
    "shift+tab": -1,
    "pagedown": 10,
    "pageup": -10,
}
_PLAIN_STEPS = {"j": 1, "k": -1, "right": 1, "left": -1, "home": -10000, "end": 10000}
