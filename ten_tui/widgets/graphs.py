"""The graphs of the detail pane, above one time axis with the marks of what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui.store import charts, graph
from ten_tui.store.graph import Frame, Part, Rendering
from ten_tui.store.ticks import GLYPHS, ticks
from ten_tui.theme import Ink
from ten_tui.widgets.line import Line, cut

if TYPE_CHECKING:
    from rich.style import Style

    from engine.core.wire import Sample
    from ten_tui.store.charts import Chart
    from ten_tui.store.graph import Plot
    from ten_tui.store.past import Window
    from ten_tui.store.ui import UiState
    from ten_tui.theme import Ground
    from ten_tui.widgets.palette import Palette

SCALE = 5
LEAST_WIDTH = 10
_INKS = {
    Part.LIMIT: Ink.FAINT,
    Part.PEAK: Ink.FAINT,
    Part.CURSOR: Ink.ACCENT,
    Part.THROTTLE: Ink.WARN,
}


def plot_width(pane_width: int) -> int:
    """Tell how wide a graph in a pane is; 0 where there is no room for one."""
    width = pane_width - SCALE - 2
    return width if width >= LEAST_WIDTH else 0


class Graphs:
    """Draws them; a row of it is a row of the pane."""

    def __init__(self, ui: UiState, palette: Palette, ground: Ground) -> None:
        """Take what is shown and how."""
        self._ui = ui
        self._palette = palette
        self._ground = ground

    def lines(self, name: str, width: int, height: int) -> list[Line]:
        """Draw as many graphs as there is room for."""
        columns = plot_width(width)
        layout = charts.layout(height)
        if not columns or not layout.charts:
            return []
        ui = self._ui
        window = charts.window_of(ui.timeline, ui.rendering, ui.view.now, columns)
        sample = self._ui.view.sample(name)
        lines: list[Line] = []
        for chart in layout.charts:
            lines.extend(self._chart(chart, sample, window, columns, layout.rows))
        lines.append(self._marks(name, window, columns))
        lines.append(self._axis(window, columns))
        return lines

    def _pen(self, ink: Ink, *, is_bold: bool = False) -> Style:
        return self._palette.style(ink, self._ground, is_bold=is_bold)

    def _chart(
        self, chart: Chart, sample: Sample, window: Window, width: int, rows: int
    ) -> list[Line]:
        view, rendering = self._ui.view, self._ui.rendering
        found = charts.values(chart, view.past, view.history, window)
        limit = chart.limit(sample)
        is_cpu = chart is charts.CHARTS[0]
        frame = Frame(
            rows,
            charts.top_of(chart, found, limit),
            limit,
            self._cursor(window, width),
            charts.throttled(view.past, view.history, window) if is_cpu else frozenset(),
            rendering,
        )
        plot = graph.plot(found, frame)
        lines = [self._head(chart, sample, limit, width)]
        lines.extend(self._row(chart, plot, row) for row in range(rows))
        return lines

    def _cursor(self, window: Window, width: int) -> int:
        at = self._ui.timeline.at
        return -1 if at is None else window.place(at) * width // window.bins

    def _head(self, chart: Chart, sample: Sample, limit: float, width: int) -> Line:
        head = Line().put(f" {chart.title} ", self._pen(Ink.DIM))
        head.put(chart.write(chart.value(sample)), self._pen(Ink.TEXT, is_bold=True))
        unit = chart.unit if chart.unit in {"", "/s", "%"} else f" {chart.unit}"
        head.put(unit, self._pen(Ink.FAINT))
        if limit:
            head.put(f"  limit {chart.write(limit)}", self._pen(Ink.FAINT))
        note = chart.note(sample)
        room = width + SCALE - head.width - 2
        if note and room > len(note):
            head.put(f"  {cut(note, room)}", self._pen(Ink.FAINT))
        return head

    def _row(self, chart: Chart, plot: Plot, row: int) -> Line:
        rows = len(plot.rows)
        scale = chart.write(plot.top) if row == 0 else "0" if row == rows - 1 else ""
        line = Line().put(f"{scale:>{SCALE}} ", self._pen(Ink.FAINT))
        ramp = self._palette.ramp(1 - (row + 0.5) / rows, self._ground)
        for text, part in plot.runs(row):
            ink = _INKS.get(part)
            line.put(text, ramp if ink is None else self._pen(ink))
        return line

    def _marks(self, name: str, window: Window, width: int) -> Line:
        """Draw what happened below the graphs: deploys, restarts, failures, config changes."""
        line = Line().to(SCALE + 1, self._pen(Ink.TEXT))
        is_plain = self._ui.rendering is Rendering.PLAIN
        found = ticks(self._ui.view.events, name, window, width)
        for cell, tick in sorted(found.items()):
            glyph, stand_in, ink = GLYPHS[tick]
            line.to(SCALE + 1 + cell, self._pen(Ink.TEXT))
            line.put(stand_in if is_plain else glyph, self._pen(ink))
        return line

    def _axis(self, window: Window, width: int) -> Line:
        timeline = self._ui.timeline
        line = Line().put(f"{timeline.label:>{SCALE}} ", self._pen(Ink.DIM))
        if timeline.is_now:
            axis = graph.time_axis(width, timeline.span)
        else:
            axis = graph.clock_axis(width, window.since, window.until)
        return line.put(axis, self._pen(Ink.FAINT))
