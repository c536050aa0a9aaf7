"""The console as a Textual app: threads' messages in, frames out."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.segment import Segment, Segments
from textual.app import App

from ten_tui import settings, theme
from ten_tui.driver import ConsoleDriver
from ten_tui.frame import Frame
from ten_tui.hosts import Hosts
from ten_tui.keymap import keys_stamp, load_keymap
from ten_tui.painter import Painter
from ten_tui.screens.main import MainScreen
from ten_tui.screens.sheets import FactScreen, HelpScreen, PickScreen
from ten_tui.store.graph import rendering_of
from ten_tui.theme import Ink
from ten_tui.widgets.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from textual import events
    from textual.driver import Driver
    from textual.screen import Screen

    from ten_tui.asking import Client
    from ten_tui.console import Console
    from ten_tui.link import Link
    from ten_tui.messages import Done, LinkChanged, LinkMeasured, StreamArrived, TailArrived
    from ten_tui.store.arrange import PaneId
    from ten_tui.store.inspection import Section
    from ten_tui.store.picker import Picker
    from ten_tui.store.ui import UiState

TICK_SECONDS = 1.0
LEAVE_SECONDS = 1.0


class TenApp(App[int]):
    """Shows one engine, and acts on it. Leaving it stops nothing."""

    CSS = "Screen { background: transparent; overflow: hidden; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = []  # noqa: RUF012 - keys are the registry's

    def __init__(
        self,
        connect: Callable[[], Client] | Mapping[str, Callable[[], Client]],
        *,
        logs: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        theme_name: str | None = None,
        is_first: bool = False,
        driver_class: type[Driver] | None = None,
    ) -> None:
        """Take what makes a client of the engine, or of several by the names of their hosts.

        Args:
            connect: Called once in each thread of a link.
            logs: Instance whose log is open and followed at first.
            clock: Monotonic seconds.
            theme_name: The theme, None for the user's or the terminal's.
            is_first: The user sees the console for the first time.
            driver_class: The terminal's driver, None for Textual's choice.
        """
        super().__init__(driver_class=driver_class, ansi_color=True)
        self._bindings.key_to_bindings.clear()
        self._clock = clock
        self._set = theme.load_themes()
        self._theme_name = theme_name or settings.theme_name()
        self._theme_stamp = theme.stamp()
        self._logs = logs
        self._is_first = is_first
        connects = {"": connect} if callable(connect) else connect
        rendering = rendering_of(os.environ, getattr(sys.stdout, "encoding", "") or "")
        self.hosts = Hosts(connects, self, self.post_message, load_keymap(), rendering)
        self._keys_stamp = keys_stamp()
        self.palette = self._make_palette()
        self._main: MainScreen | None = None
        self._painter: Painter | None = None

    @property
    def ui(self) -> UiState:
        """The state of what is in view."""
        return self.hosts.seat.ui

    @property
    def link(self) -> Link:
        """The way to the engine in view."""
        return self.hosts.seat.link

    @property
    def logic(self) -> Console:
        """The logic of what is in view."""
        return self.hosts.seat.logic

    # --- life ---

    def get_default_screen(self) -> Screen[Any]:
        """Give the main screen at once, so that the first frame is already ours."""
        self._main = MainScreen(
            self.palette,
            self.hosts,
            self._clock,
            lambda: self.logic.keymap.hints(self.ui.focus),
            self.show_host,
        )
        return self._main

    def on_mount(self) -> None:
        """Start the links and the second hand."""
        for seat in self.hosts.seats:
            seat.link.start()
        self.set_interval(TICK_SECONDS, self._tick)
        if self._logs:
            self.logic.open_log_of(self._logs)
        if self._is_first:
            key = self.ui.keys["help"]
            self.logic.deeds.say(
                f"{key} shows the keys, {key} again a tour in ten lines", Ink.ACCENT
            )
        self._tell((*self.logic.keymap.errors, *self._set.errors))

    async def on_unmount(self) -> None:
        """Let the links go."""
        self.hosts.close()
        for seat in self.hosts.seats:
            await asyncio.to_thread(seat.link.join, LEAVE_SECONDS)

    def _tick(self) -> None:
        driver = self._driver
        if isinstance(driver, ConsoleDriver) and driver.is_gone:
            self.leave()
            return
        if self.is_attached_to_main:
            self.logic.tick()
        self._follow_theme_files()
        self._follow_keys()
        if self._painter is not None:
            self.link.log_interval = self._painter.log_interval()

    @property
    def is_attached_to_main(self) -> bool:
        """Whether the main screen is there to be drawn."""
        return self._main is not None and self._main.is_attached

    # --- the link's messages ---

    def on_stream_arrived(self, message: StreamArrived) -> None:
        """Fold in what the engine said."""
        message.stop()
        seat = self.hosts.seats[message.place]
        seat.logic.take_updates(seat.link.take_updates())
        if seat is not self.hosts.seat:
            seat.link.watch_log(None)
            self.repaint(())

    def on_link_changed(self, message: LinkChanged) -> None:
        """Grey the view while it is not of now."""
        message.stop()
        was_live = self.ui.view.is_live
        seat = self.hosts.seats[message.place]
        seat.logic.link_changed(message.state, message.reason, message.retry_at)
        if was_live != self.ui.view.is_live:
            self._recolour()
        else:
            self.repaint(())

    def on_link_measured(self, message: LinkMeasured) -> None:
        """Note the round trip."""
        message.stop()
        self.hosts.seats[message.place].ui.view.link.round_trip_ms = message.trip_ms

    def on_tail_arrived(self, message: TailArrived) -> None:
        """Show the end of the log."""
        message.stop()
        self.hosts.seats[message.place].logic.reading.take_tail(
            message.query, message.window, is_following=message.is_following
        )

    def on_done(self, message: Done) -> None:
        """Go on with an answer."""
        message.stop()
        message.then(message.value, message.error)

    def on_main_screen_arranged(self, message: MainScreen.Arranged) -> None:
        """Ask for as many lines as there is room for."""
        message.stop()
        self.logic.reading.watch()
        self.logic.looking.refresh()

    # --- frames ---

    def _display(self, screen: Screen[Any], renderable: object) -> None:
        """Write what changed: cells, not regions."""
        if self._painter is None and isinstance(self._driver, ConsoleDriver):
            frame = Frame(self.console._color_system, can_erase=_can_erase(os.environ))  # noqa: SLF001 - Rich names its colour system only in words
            self._painter = Painter(frame, self._driver, self.set_timer)
        if self._painter is None or self.is_headless or self._batch_count:
            super()._display(screen, renderable)  # type: ignore[arg-type]
            return
        if self._running and not self._closed and screen is self.screen:
            self._painter.take(renderable, self.size, is_synced=self._sync_available)

    def on_resize(self, event: events.Resize) -> None:
        """Draw all anew: a terminal that was resized may have moved what it shows."""
        if self._painter is not None:
            self._painter.resize(event.size)
            self.screen.refresh()

    def on_app_focus(self) -> None:
        """Stay as it is: focus of the terminal changes nothing here."""

    def _fatal_error(self) -> None:
        """Leave after a fault of our own: where it was, without the values, which may be secret."""
        import traceback

        text = "".join(traceback.format_exception(self._exception)) if self._exception else ""
        self._exit_renderables.append(Segments([Segment(text)]))
        self._close_messages_no_wait()

    # --- Stage ---

    def clock(self) -> float:
        """Give monotonic seconds."""
        return self._clock()

    def repaint(self, panes: Iterable[PaneId] | None = None) -> None:
        """Draw panes anew."""
        if self._main is not None and self._main.is_attached:
            self._main.repaint(panes)

    def rearrange(self) -> None:
        """Place the panes anew."""
        if self._main is not None and self._main.is_attached:
            self._main.rearrange()

    def body_height(self, pane: PaneId) -> int:
        """Give the rows a pane has for lines."""
        return self._main.body_height(pane) if self._main is not None else 1

    def graph_room(self) -> tuple[int, int]:
        """Give the room of the graphs."""
        return self._main.graph_room() if self._main is not None else (0, 0)

    def histogram_columns(self) -> int:
        """Give the room of the histogram above the log."""
        return self._main.histogram_columns() if self._main is not None else 0

    def log_in_view(self) -> tuple[int, int]:
        """Give the first and last log line in view."""
        shown = self._main.log_pane.shown if self._main is not None else []
        numbers = [row.line.number for row in shown if row.line is not None]
        return (numbers[0], numbers[-1]) if numbers else (-1, -1)

    def pick(
        self,
        picker: Picker,
        then: Callable[[str], None],
        on_move: Callable[[str], None] | None = None,
    ) -> None:
        """Lay a list over the panes."""

        def chosen(result: str | None) -> None:
            then(result or "")

        self.push_screen(PickScreen(self.palette, picker, on_move=on_move), chosen)

    def show_help(
        self,
        title: str,
        groups: list[tuple[str, list[tuple[str, str]]]],
        more: Callable[[], None],
    ) -> None:
        """Lay the help over the panes."""

        def left(result: str | None) -> None:
            if result:
                more()

        self.push_screen(HelpScreen(self.palette, title, groups), left)

    def show_facts(self, title: str, sections: list[Section]) -> None:
        """Lay facts over the panes, in the place of those that lie there."""
        if isinstance(self.screen, FactScreen):
            self.pop_screen()
        self.push_screen(FactScreen(self.palette, title, sections))

    def write(self, codes: str) -> None:
        """Send codes to the terminal."""
        if self._driver is not None:
            self._driver.write(codes)
            self._driver.flush()

    def theme_names(self) -> list[tuple[str, str]]:
        """List themes, the one in use first."""
        found = sorted(self._set.themes.values(), key=lambda one: (not one.is_dark, one.label))
        found.sort(key=lambda one: one.name != self._theme_name)
        return [(one.name, one.label) for one in found]

    def use_theme(self, name: str, *, is_kept: bool) -> bool:
        """Draw with a theme."""
        if name not in self._set.themes:
            return False
        self._theme_name = name
        self._recolour()
        if is_kept:
            settings.keep_theme(name)
        return True

    def toggle_mouse(self) -> bool:
        """Give the mouse away or take it back."""
        self.ui.has_mouse = not self.ui.has_mouse
        if isinstance(self._driver, ConsoleDriver):
            self._driver.set_mouse(is_on=self.ui.has_mouse)
        return self.ui.has_mouse

    def redraw(self) -> None:
        """Write all anew."""
        if self._painter is not None:
            self._painter.forget()

    def leave(self) -> None:
        """Detach."""
        self.hosts.close()
        self.exit(0)

    def show_host(self, name: str = "") -> str:
        """Bring the next host into view, or the named one; say why that is impossible."""
        if reason := self.hosts.choose(name):
            return reason
        if self._main is not None:
            self._main.show(self.ui)
        self._recolour()
        self.logic.reading.watch()
        self.logic.looking.refresh()
        return ""

    # --- colours ---

    def _make_palette(self) -> Palette:
        themes = self._set.themes
        chosen = themes.get(self._theme_name) or themes.get(theme.DEFAULT_ANSI)
        if chosen is None:
            chosen = theme.LAST_RESORT
        return Palette(chosen, is_grey=not self.ui.view.is_live)

    def _recolour(self) -> None:
        self.palette = self._make_palette()
        if self._main is not None and self._main.is_attached:
            self._main.take_palette(self.palette)
        if isinstance(self.screen, PickScreen | HelpScreen | FactScreen):
            self.screen.take_palette(self.palette)

    def _follow_theme_files(self) -> None:
        """Take theme files that changed; a broken one is told of and changes nothing."""
        stamp = theme.stamp()
        if stamp == self._theme_stamp:
            return
        self._theme_stamp = stamp
        loaded = theme.load_themes()
        kept = {name: one for name, one in self._set.themes.items() if name == self._theme_name}
        self._set = theme.ThemeSet({**kept, **loaded.themes}, loaded.errors)
        self._tell(loaded.errors)
        self._recolour()

    def _follow_keys(self) -> None:
        """Take the user's keys as they are now in their file."""
        stamp = keys_stamp()
        if stamp != self._keys_stamp:
            self._keys_stamp = stamp
            keymap = load_keymap()
            for seat in self.hosts.seats:
                seat.logic.use_keymap(keymap)
            self._tell(keymap.errors)
            self.repaint()

    def _tell(self, errors: tuple[str, ...]) -> None:
        """Say what is wrong with the user's files: the first, and how many more there are."""
        if errors:
            more = f" (and {len(errors) - 1} more: :problems)" if len(errors) > 1 else ""
            first = errors[0].removeprefix(f"{theme.config_dir()}/")
            self.logic.deeds.say(first + more, Ink.WARN)

    def problems(self) -> tuple[str, ...]:
        """List what is wrong with the user's files."""
        return (*self.logic.keymap.errors, *self._set.errors)


def _can_erase(environ: dict[str, str] | os._Environ[str]) -> bool:
    """Tell whether erased cells take the background: GNU screen and the Linux console differ."""
    term = environ.get("TERM", "")
    return bool(environ.get("TMUX")) or not term.startswith(("screen", "linux", "vt"))
