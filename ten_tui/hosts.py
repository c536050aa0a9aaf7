"""Several engines in one console: a seat before each, of which one is in view.

A seat has a state, a link and a logic of its own, so an act goes to the engine whose table it was
asked for in, whatever is in view when the answer comes, and two instances of one name never meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ten_tui.console import Console
from ten_tui.link import Link
from ten_tui.store.ui import UiState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ten_tui.asking import Client
    from ten_tui.keymap import Keymap
    from ten_tui.messages import FromLink
    from ten_tui.stage import Stage
    from ten_tui.store.graph import Rendering

_DRAWS = frozenset({"repaint", "rearrange", "pick", "show_help", "show_facts"})
"""What a seat that is out of view does not do: the terminal shows another host."""


@dataclass(frozen=True)
class Seat:
    """What the console has of one engine."""

    name: str
    ui: UiState
    link: Link
    logic: Console


class Hosts:
    """All seats, in the order the hosts were named.

    Attributes:
        at: Place of the one in view.
    """

    def __init__(
        self,
        connects: Mapping[str, Callable[[], Client]],
        stage: Stage,
        post: Callable[[FromLink], object],
        keymap: Keymap,
        rendering: Rendering,
    ) -> None:
        """Make them; nothing is connected yet.

        Args:
            connects: What makes a client, by the name of its host.
            stage: The terminal.
            post: Takes what links say, each message with the place of its seat.
            keymap: The user's keys.
            rendering: How graphs are drawn.
        """
        self.at = 0
        self.seats: list[Seat] = []
        for place, (name, connect) in enumerate(connects.items()):

            def say(message: FromLink, place: int = place) -> object:
                message.place = place
                return post(message)

            ui, link = UiState(rendering=rendering), Link(connect, say)
            aside = cast("Stage", Aside(self, place, stage))
            self.seats.append(Seat(name, ui, link, Console(ui, link, aside, keymap)))

    @property
    def seat(self) -> Seat:
        """The one in view."""
        return self.seats[self.at]

    def choose(self, name: str) -> str:
        """Bring the named host into view, the next one for ""; say why that is impossible."""
        names = [each.name for each in self.seats]
        if len(names) < 2:
            return "there is one host: `ten --host A --host B` shows several"
        place = self._find(name, names) if name else (self.at + 1) % len(names)
        if place is None:
            return f"not one host is called {name}: {', '.join(names)}"
        before = self.seat
        before.link.watch_log(None)  # of what goes out of view no log is read on
        self.at = place
        self.seat.ui.has_mouse = before.ui.has_mouse
        return ""

    def _find(self, name: str, names: list[str]) -> int | None:
        """Find the one place whose name is that, begins so, or holds it."""
        for fits in (str.__eq__, str.startswith, str.__contains__):
            found = [place for place, each in enumerate(names) if fits(each, name)]
            if len(found) == 1:
                return found[0]
        return None

    def close(self) -> None:
        """Let all links go."""
        for each in self.seats:
            each.link.close()


class Aside:
    """The terminal as one seat's logic has it: it draws only while that seat is in view."""

    def __init__(self, hosts: Hosts, place: int, stage: Stage) -> None:
        """Take whose it is."""
        self._hosts, self._place, self._stage = hosts, place, stage

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever `Stage` has
        """Give what the terminal has of that name, or what does nothing."""
        if name in _DRAWS and self._hosts.at != self._place:
            return lambda *_, **__: None
        return getattr(self._stage, name)
