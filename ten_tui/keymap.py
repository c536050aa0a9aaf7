"""The user's own keys: `[keys]` of `console.toml` over those of the registry.

```toml
[keys]
restart = "R"
undo = ["u", "Ctrl-Z"]
menu = []          # no key; the palette still has it
```

What is wrong in the file is told with its place and passed over; the rest of it holds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.core.errors import SpecError
from engine.core.nearest import did_you_mean
from engine.core.toml_places import Places
from engine.core.toml_text import load_toml
from ten_tui import actions
from ten_tui.actions import ACTIONS, Hint
from ten_tui.theme import config_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ten_tui.action import Action
    from ten_tui.store.arrange import PaneId

FILE = "console.toml"

_KEPT = {"detach": "ctrl+c"}
"""What no file can take: there must be a way out."""

_NAMED = {
    **{name: name for name in ("space", "enter", "escape", "tab", "backspace", "insert")},
    **{name: name for name in ("up", "down", "left", "right", "home", "end", "delete")},
    **{name: name for name in ("pageup", "pagedown")},
    **{f"f{number}": f"f{number}" for number in range(1, 13)},
    "esc": "escape",
    "return": "enter",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "ins": "insert",
    "del": "delete",
    "shift+tab": "shift+tab",
}
_WITH_CTRL = frozenset("abcdefghijklmnopqrstuvwxyz")
_SAME = {"ctrl+i": "tab", "ctrl+m": "enter"}
"""What a terminal sends alike."""


@dataclass(frozen=True)
class Keymap:
    """Every action with the keys it has for this user.

    Attributes:
        actions: The registry, remapped.
        errors: What could not be used of the file, one line each with its place.
    """

    actions: tuple[Action, ...] = ACTIONS
    errors: tuple[str, ...] = ()

    def find(self, pane: PaneId, key: str) -> Action | None:
        """Find what a key does in a pane."""
        return actions.find(pane, key, self.actions)

    def hints(self, pane: PaneId) -> list[Hint]:
        """Give the keys that matter in a pane, for the foot line."""
        return actions.hints(pane, self.actions)

    def help_rows(self, pane: PaneId) -> list[tuple[str, list[Action]]]:
        """Give the groups of the help."""
        return actions.help_rows(pane, self.actions)

    def labels(self) -> dict[str, str]:
        """Give the first key of each action, as it is written; what has none has ":name"."""
        return {
            action.id: actions.key_label(action.keys[0]) if action.keys else f":{action.id}"
            for action in self.actions
        }

    def first_keys(self) -> dict[str, str]:
        """Give the first key of each action that has one."""
        return {action.id: action.keys[0] for action in self.actions if action.keys}


def load_keymap(environ: Mapping[str, str] = os.environ) -> Keymap:
    """Read the user's file; the registry's own keys where there is none."""
    path = config_dir(environ) / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Keymap()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        return Keymap(errors=(f"{path}: {reason}",))
    return parse_keymap(text, str(path))


def keys_stamp(environ: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Describe the file as it is, so that a change is seen by comparing."""
    try:
        status = (config_dir(environ) / FILE).stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size


def parse_keymap(text: str, path: str) -> Keymap:
    """Read a file's text; `path` stands in the errors."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        root = load_toml(text, path)
    except SpecError as error:
        return Keymap(errors=(f"{path}:{error.line}:{error.column}: {error}",))
    return _Reader(text, path).read(root)


class _Reader:
    """Goes through one file."""

    def __init__(self, text: str, path: str) -> None:
        self._places = Places(text)
        self._path = path
        self._errors: list[str] = []
        self._owner: dict[tuple[str, frozenset[PaneId]], str] = {}

    def read(self, root: dict[str, Any]) -> Keymap:
        for name in root:
            if name != "keys":
                self._say((name,), f"unknown key {name}; [keys] is what this file has")
        table = root.get("keys", {})
        if not isinstance(table, dict):
            self._say(("keys",), "keys is a table: [keys]")
            table = {}
        wanted: dict[str, tuple[str, ...]] = {}
        for name, value in table.items():
            keys = self._keys(name, value)
            if keys is not None:
                wanted[name] = keys
        return Keymap(_remapped(wanted), tuple(self._errors))

    def _say(self, at: tuple[str, ...], message: str, *, is_value: bool = False) -> None:
        place = self._places.value(at) if is_value else self._places.key(at)
        self._errors.append(f"{self._path}:{place.line}:{place.column}: {message}")

    def _keys(self, name: str, value: object) -> tuple[str, ...] | None:
        """Check one line of the table; None where it cannot be used."""
        at = ("keys", name)
        action = actions.BY_ID.get(name)
        if action is None:
            near = did_you_mean(name, actions.BY_ID)
            self._say(at, f'no action is called "{name}"' + (f"; {near}" if near else ""))
            return None
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            self._say(at, f'{name} takes a key, "R", or several, ["R", "Ctrl-R"]', is_value=True)
            return None
        if name == "since" and len(texts) != len(action.keys):
            self._say(at, f"since takes {len(action.keys)} keys, one a preset", is_value=True)
            return None
        found = []
        for text in texts:
            key = read_key(text)
            if key is None:
                self._say(at, f'"{text}" is no key; "R", "Ctrl-R", "PgUp", "F5"', is_value=True)
                return None
            if key in _KEPT.values() and _KEPT.get(name) != key:
                self._say(at, f"{actions.key_label(key)} always detaches", is_value=True)
                return None
            found.append(key)
        other = next(filter(None, (self._taken(action, key) for key in found)), "")
        if other:
            self._say(at, f"{name} and {other} have the same key in one pane", is_value=True)
            return None
        for key in found:
            self._owner[key, action.panes] = name
        return tuple(dict.fromkeys(found))

    def _taken(self, action: Action, key: str) -> str:
        """Name what the file has given the key to already, where both would hold."""
        for (known, panes), name in self._owner.items():
            if known == key and _meet(panes, action.panes):
                return name
        return ""


def read_key(text: str) -> str | None:
    """Read a key as people write it, "Ctrl-R" or "PgUp"; None where it is none."""
    if len(text) == 1:
        return "space" if text == " " else text if text.isprintable() else None
    name = text.lower().replace("-", "+")
    if name in _NAMED:
        return _NAMED[name]
    head, _, letter = name.partition("+")
    if head in {"ctrl", "control", "c"} and letter in _WITH_CTRL:
        return _SAME.get(f"ctrl+{letter}", f"ctrl+{letter}")
    return None


def _remapped(wanted: dict[str, tuple[str, ...]]) -> tuple[Action, ...]:
    """Give each action its keys; what the user gave away, its former owner has no more."""
    new = []
    for action in ACTIONS:
        if action.id in wanted:
            keys = wanted[action.id]
            kept = _KEPT.get(action.id)
            if kept is not None and kept not in keys:
                keys = (*keys, kept)
        else:
            keys = tuple(key for key in action.keys if not _is_given(action, key, wanted))
        new.append(replace(action, keys=keys))
    return tuple(new)


def _is_given(action: Action, key: str, wanted: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether the user gave a key of this action to another that would meet it."""
    return any(
        key in keys and _meet(actions.BY_ID[name].panes, action.panes)
        for name, keys in wanted.items()
    )


def _meet(one: frozenset[PaneId], other: frozenset[PaneId]) -> bool:
    """Tell whether there is a pane where both hold: no key means two things in one pane."""
    return not one or not other or bool(one & other)
