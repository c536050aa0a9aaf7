"""What an action of the console is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ten_tui.store.arrange import PaneId


@dataclass(frozen=True)
class Action:
    """One thing the console can do.

    Attributes:
        id: Stable name, for key tables and for `:`.
        title: What it does, for help and palette.
        keys: Keys, as they are named in the help.
        panes: Where the keys hold; everywhere if empty.
        group: Heading in the help.
        hint: Its word in the foot line, "" where it is not shown there.
        acts: It changes something in the engine: refused when read-only or not connected.
        command: The `ten` command line that does the same for one instance.
        aliases: Further names for `:`.
        takes: What `:` wants behind the name, "" for nothing.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    panes: frozenset[PaneId] = frozenset()
    group: str = "Everywhere"
    hint: str = ""
    acts: bool = False
    command: Callable[[str], str] | None = None
    aliases: tuple[str, ...] = ()
    takes: str = ""
