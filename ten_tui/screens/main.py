"""The main screen: the panes, placed by the arrangement; keys and mouse go to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.message import Message
from textual.screen import Screen

from ten_tui.store.arrange import ORDER, WITH_HOSTS, Box, PaneId, arrange
from ten_tui.store.histogram import LABEL
from ten_tui.widgets.config import ConfigPane
from ten_tui.widgets.deploys import DeploysPane
from ten_tui.widgets.detail import Detail
from ten_tui.widgets.events import EventsPane
from ten_tui.widgets.foot import Foot
from ten_tui.widgets.graphs import SCALE, plot_width
from ten_tui.widgets.head import Head
from ten_tui.widgets.hosts import HostBar
from ten_tui.widgets.log import LogPane
from ten_tui.widgets.table import InstanceTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual import events
    from textual.app import ComposeResult

    from ten_tui.actions import Hint
    from ten_tui.hosts import Hosts
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette
    from ten_tui.widgets.pane import Pane

_WHEEL = 3
_RIGHT = 3


class Keys(Protocol):
    """Whoever takes what the user does."""

    def press(self, key: str, character: str | None) -> None:
        """Take a key."""

    def press_shown(self, label: str) -> None:
        """Take a key by what is written for it."""

    def paste(self, text: str) -> None:
        """Take pasted text."""

    def click(self, pane: PaneId, y: int, *, is_double: bool, is_right: bool = False) -> None:
        """Take a click at a row of a pane."""

    def point(self, x: int) -> None:
        """Take a click at a cell of the graphs."""

    def point_log(self, x: int) -> None:
        """Take a click at a cell of the histogram above the log."""

    def wheel(self, pane: PaneId, steps: int) -> None:
        """Take a turn of the wheel over a pane."""


class MainScreen(Screen[None]):
    """Head, panes and foot."""

    DEFAULT_CSS = """
    MainScreen { background: transparent; overflow: hidden; }
    """
    AUTO_FOCUS: ClassVar[str | None] = ""

    class Arranged(Message):
        """The panes were placed for a size."""

    def __init__(
        self,
        palette: Palette,
        hosts: Hosts,
        clock: Callable[[], float],
        hints: Callable[[], list[Hint]],
        choose_host: Callable[[str], object],
    ) -> None:
        """Make the panes."""
        super().__init__()
        self._choose_host = choose_host
        self._hosts = hosts
        ui = self._ui = hosts.seat.ui
        self.bar = HostBar(palette, hosts)
        self.head = Head(palette, ui, clock)
        self.foot = Foot(palette, ui, clock, hints)
        self.table = InstanceTable(palette, ui)
        self.log_pane = LogPane(palette, ui)
        self.detail = Detail(palette, ui)
        self.panes: dict[PaneId, Pane] = {
            PaneId.TABLE: self.table,
            PaneId.DETAIL: self.detail,
            PaneId.LOG: self.log_pane,
            PaneId.EVENTS: EventsPane(palette, ui),
            PaneId.CONFIG: ConfigPane(palette, ui),
            PaneId.DEPLOYS: DeploysPane(palette, ui),
        }
        self.arrangement = arrange(80, 24)

    def _keys(self) -> Keys:
        return self._hosts.seat.logic

    def compose(self) -> ComposeResult:
        """Show everything; the arrangement says where."""
        yield self.bar
        yield self.head
        yield from self.panes.values()
        yield self.foot

    def on_mount(self) -> None:
        """Place the panes."""
        self.rearrange()

    def on_resize(self) -> None:
        """Place the panes for the new size."""
        self.rearrange()
        self.post_message(self.Arranged())

    def rearrange(self) -> None:
        """Place the panes where the user's choices and the size put them."""
        ui, size = self._ui, self.app.size
        if size.width <= 0 or size.height <= 0:
            return
        above = 1 if len(self._hosts.seats) > 1 and size.height >= WITH_HOSTS else 0
        self.bar.place(Box(0, 0, size.width, 1) if above else None)
        self.arrangement = arrange(
            size.width,
            size.height - above,
            lower=ui.lower,
            zoomed=ui.zoomed,
            share=ui.share,
            above=above,
        )
        if ui.focus not in self.arrangement.panes:
            ui.focus = next(iter(self.arrangement.panes))
        self.head.place(self.arrangement.head)
        self.foot.place(self.arrangement.foot)
        for name, pane in self.panes.items():
            box = self.arrangement.panes.get(name)
            pane.is_active = name is ui.focus
            pane.is_side = box is not None and box.x > 0
            pane.tabs = self._tabs_beside(name)
            pane.place(box)
        self.repaint()

    def _tabs_beside(self, name: PaneId) -> str:
        """Name the other panes of a pane's place, with the keys that bring them there."""
        tabs = self.arrangement.tabs
        if name not in tabs:
            return ""
        others = [tab for tab in tabs if tab is not name]
        if self._ui.focus is PaneId.LOG:
            # Digits are presets of time there.
            return "Tab " + "  ".join(tab.value for tab in others)
        return "  ".join(f"{ORDER.index(tab) + 1} {tab.value}" for tab in others)

    def repaint(self, panes: Iterable[PaneId] | None = None) -> None:
        """Draw panes again, head and foot with them; only rows that changed reach the terminal."""
        self.bar.repaint()
        self.head.repaint()
        self.foot.repaint()
        for name in self.arrangement.panes if panes is None else panes:
            if name in self.arrangement.panes:
                self.panes[name].is_active = name is self._ui.focus
                self.panes[name].repaint()

    def take_palette(self, palette: Palette) -> None:
        """Draw in other colours."""
        for pane in (self.bar, self.head, self.foot, *self.panes.values()):
            pane.palette = palette
        self.repaint()

    def show(self, ui: UiState) -> None:
        """Show another host's state in all panes."""
        self._ui = ui
        for pane in (self.head, self.foot, *self.panes.values()):
            pane.show(ui)
        self.rearrange()

    def body_height(self, pane: PaneId) -> int:
        """Give the rows a pane has for its lines."""
        box = self.arrangement.panes.get(pane)
        if box is None:
            return 1
        above = 2 if pane is PaneId.LOG and self.histogram_columns() else 1
        return max(1, box.height - above)

    def histogram_columns(self) -> int:
        """Give the cells of the histogram above the log."""
        box = self.arrangement.panes.get(PaneId.LOG)
        return self.log_pane.histogram_columns(box.width, box.height) if box is not None else 0

    def graph_room(self) -> tuple[int, int]:
        """Give the cells a graph is wide, and the rows there are for graphs."""
        box = self.arrangement.panes.get(PaneId.DETAIL)
        return (plot_width(box.width), self.detail.graph_rows) if box is not None else (0, 0)

    def on_key(self, event: events.Key) -> None:
        """Pass the key on."""
        event.stop()
        event.prevent_default()
        self._keys().press(event.key, event.character)

    def on_paste(self, event: events.Paste) -> None:
        """Pass pasted text on."""
        event.stop()
        self._keys().paste(event.text)

    def on_click(self, event: events.Click) -> None:
        """Pass the click on."""
        event.stop()
        pane = self._pane_of(event)
        place = self.bar.place_at(event.x) if event.widget is self.bar else None
        if place is not None:
            self._choose_host(self._hosts.seats[place].name)
        elif event.widget is self.foot and (key := self.foot.key_at(event.x)):
            self._keys().press_shown(key)
        elif pane is not None:
            if pane is PaneId.DETAIL:
                self._keys().point(event.x - SCALE - 1)
            elif pane is PaneId.LOG and event.y == 1 and self.histogram_columns():
                self._keys().point_log(event.x - LABEL)
            is_right = event.button == _RIGHT
            self._keys().click(pane, event.y, is_double=event.chain > 1, is_right=is_right)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Pass the wheel on."""
        self._wheel(event, _WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Pass the wheel on."""
        self._wheel(event, -_WHEEL)

    def _wheel(self, event: events.MouseEvent, steps: int) -> None:
        event.stop()
        pane = self._pane_of(event)
        if pane is not None:
            self._keys().wheel(pane, steps)

    def _pane_of(self, event: events.MouseEvent) -> PaneId | None:
        return next((name for name, pane in self.panes.items() if pane is event.widget), None)
