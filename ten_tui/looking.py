"""Looking back: the past of graphs, zoom, and the one time cursor that all panes follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.core.errors import NotFound
from engine.core.moments import Moment
from ten_tui.store import charts, histogram
from ten_tui.store.arrange import PaneId
from ten_tui.store.graph import Rendering
from ten_tui.store.timeline import SPANS
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.errors import TenError
    from ten_tui.asking import Client
    from ten_tui.deeds import Deeds
    from ten_tui.link import Link
    from ten_tui.reading import Reading
    from ten_tui.stage import Stage
    from ten_tui.store.past import Past, Window
    from ten_tui.store.ui import UiState

FRESH_SECONDS = 600.0
"""What the stream brings is held for longer: the newest of the past needs no question."""

SLOW_MS = 250.0
"""From this round trip on, less is asked for: fewer graphs, and points half as dense."""

_UNSTREAMED_SECONDS = 15.0
_SLOW_CHARTS = 3
_MANY = 100
"""Instances; of more, only those in view are asked for."""

_EVENTS = 1000
_FOLLOWERS = (PaneId.TABLE, PaneId.DETAIL, PaneId.EVENTS)


@dataclass(frozen=True)
class _Wish:
    """What graphs need, and where it goes."""

    past: Past
    name: str
    metrics: tuple[str, ...]
    window: Window
    fresh_seconds: float

    @property
    def is_met(self) -> bool:
        return self.past.has(self.name, self.metrics, self.window, self.fresh_seconds)


class Looking:
    """Asks for the past as it is needed, one question at a time, and moves the time cursor."""

    def __init__(
        self, ui: UiState, link: Link, stage: Stage, deeds: Deeds, reading: Reading
    ) -> None:
        """Take the state it moves in and the link it fetches over."""
        self._ui = ui
        self._link = link
        self._stage = stage
        self._say = deeds.say
        self._reading = reading
        self._is_asking = False
        self._asked_at: float | None = None
        self._has_events = False
        self._histogram_window: Window | None = None

    @property
    def _is_slow(self) -> bool:
        return self._ui.view.link.round_trip_ms > SLOW_MS

    # --- the past of the graphs ---

    def attach(self) -> None:
        """Fill the sparklines of the table from what is kept, and ask for the rest anew."""
        view = self._ui.view
        view.past.forget()
        view.log_past.forget()
        self._has_events = False
        at = view.now
        names = self._in_view()
        self._link.ask(lambda client: client.moment(at, names), self._took_sparks)

    def _took_sparks(self, value: object, error: TenError | None) -> None:
        if error is None and isinstance(value, Moment):
            self._ui.view.fill_sparks(value)
            self._stage.repaint((PaneId.TABLE,))

    def open_group(self, name: str) -> None:
        """Show the graphs of a service's instances together."""
        self._ui.view.show_history(name, [])
        self.refresh()

    def refresh(self) -> None:
        """Ask for what is in view and lacking; where nothing is lacking nothing is asked."""
        # A link is live a moment before the engine's clock is known.
        if not self._ui.view.is_live or not self._ui.view.now or self._is_asking:
            return
        for wish in (self._graphs_wish(), self._histogram_wish()):
            if wish is not None and not wish.is_met:
                self._ask(wish)
                return

    def _graphs_wish(self) -> _Wish | None:
        ui = self._ui
        columns, rows = self._stage.graph_room()
        found = charts.layout(rows)
        if self._is_slow:
            found = charts.Layout(found.charts[:_SLOW_CHARTS], found.rows)
        name = ui.table.shown
        if not columns or not found.metrics or not name:
            return None
        window = charts.window_of(ui.timeline, ui.rendering, ui.view.now, columns)
        fresh = FRESH_SECONDS if ui.timeline.is_now else 0.0
        return _Wish(ui.view.past, name, found.metrics, window, fresh)

    def _histogram_wish(self) -> _Wish | None:
        ui = self._ui
        columns, name = self._stage.histogram_columns(), ui.logs.query.name
        if not columns or not name:
            return None
        window = histogram.window_of(ui.timeline, ui.view.now, columns)
        fresh = FRESH_SECONDS if name == ui.view.history_of else _UNSTREAMED_SECONDS
        fresh = fresh if ui.timeline.is_now else 0.0
        return _Wish(ui.view.log_past, name, histogram.METRICS, window, fresh)

    def histogram_moved(self) -> bool:
        """Tell whether the histogram shows another stretch of time than it did."""
        wish = self._histogram_wish()
        window = wish.window if wish is not None else None
        before, self._histogram_window = self._histogram_window, window
        return window != before

    def _ask(self, wish: _Wish) -> None:
        self._is_asking = True
        window, step = wish.window, wish.window.step * (2 if self._is_slow else 1)

        def job(client: Client) -> object:
            return client.kept_list(
                wish.name, wish.metrics, since=window.since, until=window.until, step=step
            )

        self._link.ask(job, partial(self._took_past, wish))

    def _took_past(self, wish: _Wish, value: object, error: TenError | None) -> None:
        self._is_asking = False
        if error is not None and not isinstance(error, NotFound) and self._ui.view.is_live:
            self._say(f"the past: {error}", Ink.WARN)
        found = value if isinstance(value, list) else []
        wish.past.take(wish.name, wish.metrics, wish.window, found)
        self._stage.repaint((PaneId.DETAIL, PaneId.LOG))
        self.refresh()  # another instance, or another time, may be in view by now

    def zoom(self, steps: int) -> None:
        """Show more of the past (1) or less (-1)."""
        timeline = self._ui.timeline
        if not timeline.zoom(steps, self._ui.view.now):
            edge = SPANS[-1 if steps > 0 else 0][0]
            self._say(f"graphs show {SPANS[0][0]} to {SPANS[-1][0]}: this is {edge}", Ink.DIM)
            return
        self._load_events()
        self.refresh()
        self._stage.repaint((PaneId.DETAIL, PaneId.LOG))

    def next_rendering(self) -> None:
        """Draw graphs with something else."""
        kinds = list(Rendering)
        self._ui.rendering = kinds[(kinds.index(self._ui.rendering) + 1) % len(kinds)]
        self._say(f"graphs in {self._ui.rendering.value}", Ink.DIM)
        self.refresh()
        self._stage.repaint((PaneId.DETAIL, PaneId.LOG))

    # --- the time cursor ---

    def move(self, parts: float) -> None:
        """Move the whole console in time, by parts of a step of the graphs' span."""
        self._ui.timeline.move(parts, self._ui.view.now)
        self._moved()

    def move_columns(self, columns: int) -> None:
        """Move it by columns of the graphs."""
        room, _ = self._stage.graph_room()
        timeline, now = self._ui.timeline, self._ui.view.now
        window = charts.window_of(timeline, self._ui.rendering, now, max(room, 1))
        seconds = window.step * self._ui.rendering.columns * columns
        timeline.go((now if timeline.at is None else timeline.at) + seconds, now)
        self._moved()

    def point(self, x: int) -> None:
        """Look at the time of a graph's cell."""
        room, _ = self._stage.graph_room()
        if not 0 <= x < room:
            return
        now = self._ui.view.now
        window = charts.window_of(self._ui.timeline, self._ui.rendering, now, room)
        columns = self._ui.rendering.columns
        self.go(window.since + (x * columns + columns / 2) * window.step)

    def point_log(self, x: int) -> None:
        """Look at the time of a cell of the log's histogram."""
        columns = self._stage.histogram_columns()
        if 0 <= x < columns:
            window = histogram.window_of(self._ui.timeline, self._ui.view.now, columns)
            self.go(window.since + (x + 0.5) * window.step)

    def go(self, at: float, origin: PaneId | None = None) -> None:
        """Look at a time; the pane it was read in stays as it is."""
        self._ui.timeline.go(at, self._ui.view.now)
        self._moved(origin)

    def go_here(self) -> None:
        """Look at the time of the line or event under the cursor."""
        at = self._time_here()
        if at is None:
            self._say("no line or event is under the cursor", Ink.DIM)
        else:
            self.go(at, self._ui.focus)

    def follow(self) -> None:
        """While looking back: look at the time of what the cursor of log or events is on now."""
        if not self._ui.timeline.is_now and (at := self._time_here()) is not None:
            self.go(at, self._ui.focus)

    def _time_here(self) -> float | None:
        ui = self._ui
        if ui.focus is PaneId.EVENTS and ui.view.events:
            place = len(ui.view.events) - 1 if ui.events.is_following else ui.events.cursor
            return ui.view.events[max(0, min(place, len(ui.view.events) - 1))].time
        if ui.focus is PaneId.LOG:
            number = ui.logs.cursor if not ui.logs.is_following else self._stage.log_in_view()[1]
            place = ui.logs.index(number)
            if number >= 0 and place < len(ui.logs.held):
                return ui.logs.held[place].time_ns / 1e9
        return None

    def back(self) -> bool:
        """Show now again; tells whether the past was shown."""
        if self._ui.timeline.is_now:
            return False
        self._ui.timeline.back()
        self._moved()
        return True

    def _moved(self, origin: PaneId | None = None) -> None:
        ui = self._ui
        at = ui.timeline.at
        if at is None:
            ui.view.then = None
            ui.events.is_following = True
            if origin is not PaneId.LOG:
                self._reading.to_end()
        else:
            self._load_events()
            if origin is not PaneId.EVENTS:
                self._events_to(at)
            if origin is not PaneId.LOG:
                self._reading.to_time(at)
            self._ask_moment()
        self.refresh()
        ui.table.rebuild(ui.view)
        self._stage.repaint()

    def opened_log(self) -> None:
        """Bring a log that was just opened to the time that is looked at."""
        if self._ui.timeline.at is not None:
            self._reading.to_time(self._ui.timeline.at)

    def _events_to(self, at: float) -> None:
        events, scroll = self._ui.view.events, self._ui.events
        before = sum(event.time < at + 1 for event in events)
        scroll.is_following = False
        scroll.cursor = max(0, before - 1)

    def _ask_moment(self) -> None:
        """Ask for the figures of the time that is looked at, one question at a time."""
        at = self._ui.timeline.at
        if at is None or self._asked_at is not None:
            return
        self._asked_at = at
        names = self._in_view()
        self._link.ask(lambda client: client.moment(at, names), partial(self._took_moment, at))

    def _took_moment(self, at: float, value: object, error: TenError | None) -> None:
        self._asked_at = None
        ui = self._ui
        if ui.timeline.at is None:
            return
        if error is not None:
            self._say(f"the past: {error}", Ink.WARN)
            return
        if isinstance(value, Moment):
            ui.view.look_back(at, value)
            ui.table.rebuild(ui.view)
            self._stage.repaint((PaneId.TABLE, PaneId.DETAIL))
        if ui.timeline.at != at:
            self._ask_moment()

    def _in_view(self) -> list[str]:
        """Name what is to be asked for: all, or of many just what the table shows."""
        ui = self._ui
        if len(ui.view.instances) <= _MANY and not self._is_slow:
            return []
        rows = ui.table.rows[ui.table.top : ui.table.top + self._stage.body_height(PaneId.TABLE)]
        return [row.key for row in rows if row.key in ui.view.instances]

    def _load_events(self) -> None:
        """Have older events than those of the last minutes, once."""
        if not self._has_events:
            self._has_events = True
            self._link.ask(lambda client: client.events(limit=_EVENTS), self._took_events)

    def _took_events(self, value: object, error: TenError | None) -> None:
        if error is not None or not isinstance(value, list):
            self._has_events = False
            return
        added = self._ui.view.take_older_events(value)
        self._ui.events.cursor += added
        self._ui.events.top += added
        if self._ui.timeline.at is not None:
            self._events_to(self._ui.timeline.at)
        self._stage.repaint((PaneId.DETAIL, PaneId.EVENTS))
