"""The selected instance: why it is not well, its facts, and its graphs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.format import clean
from ten_tui.store import graph
from ten_tui.store.why import QUOTE, is_well, why_facts
from ten_tui.theme import Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.style import Style

    from engine.core.wire import InstanceView, Sample
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

SPAN_SECONDS = 300
_SCALE = 5
_LABEL = 7
_LEAST_ROWS, _MOST_ROWS = 2, 8


@dataclass(frozen=True)
class _Graph:
    title: str
    unit: str
    value: Callable[[Sample], float]
    write: Callable[[float], str]
    least: float
    binary: bool = False
    limit: Callable[[Sample], float] = lambda _: 0.0


_GRAPHS = (
    _Graph(
        "cpu",
        "cores",
        lambda sample: sample.cpu_cores,
        fmt.cores,
        0.1,
        limit=lambda sample: sample.cpu_quota_cores,
    ),
    _Graph(
        "memory",
        "",
        lambda sample: sample.memory_bytes,
        fmt.size,
        float(1 << 24),
        binary=True,
        limit=lambda sample: sample.memory_limit_bytes,
    ),
    _Graph("requests", "/s", lambda sample: sample.requests, fmt.rate, 1.0),
    _Graph("latency p95", "", lambda sample: sample.p95_ms, fmt.millis, 10.0),
    _Graph("log lines", "/s", lambda sample: sample.log_lines, fmt.rate, 1.0),
)


class Detail(Pane):
    """The pane beside the table."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="detail")
        self._ui = ui

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head, the why card if there is something to say, the facts and graphs."""
        name = self._ui.table.selected
        instance = self._ui.view.instances.get(name)
        if instance is None:
            return [self.title("detail", width), *self._group(height - 1)]
        mark = fmt.MARKS[instance.state]
        state = f"{mark.glyph} {instance.state}"
        lines = [self.title(cut(name, width - 16), width, note=state, note_ink=mark.ink)]
        if not is_well(instance):
            lines.extend(self._why(instance, width, max(3, height // 2)))
        lines.extend(self._facts(instance, width))
        lines.extend(self._graphs(width, height - len(lines)))
        return lines

    def _pen(self, ink: Ink, *, is_bold: bool = False) -> Style:
        return self.palette.style(ink, self.ground, is_bold=is_bold)

    def _group(self, height: int) -> list[Line]:
        text = "the instance under the cursor is shown here"
        return [Line(), Line().put("  ", self._pen(Ink.DIM)).put(text, self._pen(Ink.DIM))][:height]

    def _why(self, instance: InstanceView, width: int, height: int) -> list[Line]:
        lines = []
        for fact in why_facts(instance, self._ui.view.now, self._ui.keys):
            indent = 1 + (_LABEL if fact.label else 0)
            room = max(1, width - indent - 1)
            pieces = [cut(clean(fact.text), room)]
            if fact.label != QUOTE:
                pieces = textwrap.wrap(clean(fact.text), room)[:3]
            for place, piece in enumerate(pieces):
                label = fact.label if not place else ""
                line = Line().put(f" {label:<{indent - 1}}", self._pen(Ink.FAINT))
                lines.append(line.put(piece, self._pen(fact.ink, is_bold=not fact.label)))
        return lines[:height]

    def _facts(self, instance: InstanceView, width: int) -> list[Line]:
        now = self._ui.view.now
        sample = self._ui.view.sample(instance.name)
        pairs = [
            ("up", fmt.duration(now - instance.started_at) if instance.pid else ""),
            ("pid", str(instance.pid or "")),
            ("port", str(instance.port or "") if instance.network == "host" else instance.address),
            ("weight", str(instance.weight)),
            ("restarts", str(instance.restarts or "")),
            ("inflight", str(sample.inflight or "")),
            ("procs", str(sample.pids or "")),
            ("isolation", instance.isolation),
            ("version", instance.version),
            ("disk", fmt.size(instance.storage_used_bytes) if instance.storage_used_bytes else ""),
        ]
        lines = [Line().put(" ", self._pen(Ink.TEXT))]
        for label, text in pairs:
            if not text:
                continue
            if lines[-1].width + len(label) + len(text) + 3 > width:
                if len(lines) == 2:
                    break
                lines.append(Line().put(" ", self._pen(Ink.TEXT)))
            lines[-1].put(f"{label} ", self._pen(Ink.FAINT)).put(f"{text}  ", self._pen(Ink.DIM))
        return lines

    def _graphs(self, width: int, height: int) -> list[Line]:
        plot_width = width - _SCALE - 2
        room = height - 1
        number = min(len(_GRAPHS), room // (1 + _LEAST_ROWS))
        if number < 1 or plot_width < 10:
            return []
        wanted = number if room >= number * 4 else max(1, min(number, 3))
        rows = min(_MOST_ROWS, room // wanted - 1)
        lines: list[Line] = []
        for drawn in _GRAPHS[:wanted]:
            lines.extend(self._graph(drawn, plot_width, rows))
        axis = Line().to(_SCALE + 1, self._pen(Ink.TEXT))
        lines.append(axis.put(graph.time_axis(plot_width, SPAN_SECONDS), self._pen(Ink.FAINT)))
        return lines

    def _graph(self, drawn: _Graph, width: int, rows: int) -> list[Line]:
        view = self._ui.view
        step = graph.bin_seconds(SPAN_SECONDS, width)
        values = graph.bin_samples(
            view.history, drawn.value, now=view.now, step=step, bins=2 * width
        )
        newest = view.sample(self._ui.table.selected)
        limit = drawn.limit(newest)
        top = graph.nice_top([*values, limit], least=drawn.least, binary=drawn.binary)
        plot = graph.plot(values, height=rows, top=limit or top, limit=limit)
        head = Line().put(f" {drawn.title} ", self._pen(Ink.DIM))
        head.put(drawn.write(drawn.value(newest)), self._pen(Ink.TEXT, is_bold=True))
        head.put(f" {drawn.unit}".rstrip() if drawn.unit != "/s" else "/s", self._pen(Ink.FAINT))
        if limit:
            head.put(f"  limit {drawn.write(limit)}", self._pen(Ink.FAINT))
        lines = [head]
        for row, text in enumerate(plot.rows):
            scale = drawn.write(plot.top) if row == 0 else "0" if row == rows - 1 else ""
            line = Line().put(f"{scale:>{_SCALE}} ", self._pen(Ink.FAINT))
            line.put(text, self.palette.ramp(1 - (row + 0.5) / rows, self.ground))
            lines.append(line)
        return lines
