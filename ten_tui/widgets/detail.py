"""The selected instance: why it is not well, its facts, and its graphs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.format import clean
from ten_tui.store.deploys import summary
from ten_tui.store.why import QUOTE, is_well, why_facts
from ten_tui.theme import Ink
from ten_tui.widgets.graphs import Graphs
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from rich.style import Style

    from engine.core.wire import InstanceView
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_LABEL = 7


class Detail(Pane):
    """The pane beside the table.

    Attributes:
        graph_rows: Rows there were for graphs when it was last drawn.
    """

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="detail")
        self._ui = ui
        self.graph_rows = 0

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head, the why card if there is something to say, the facts and graphs."""
        name = self._ui.table.shown
        instance = self._ui.view.shown.get(name)
        if instance is None:
            lines = self._group(name, width)
            if rollout := summary(self._ui.view, self._ui.table.cursor):
                pieces = textwrap.wrap(clean(rollout), max(1, width - 4))
                lines += [Line().put(f"  {piece}", self._pen(Ink.INFO)) for piece in pieces]
            return self._with_graphs(lines, name, width, height)
        mark = fmt.MARKS[instance.state]
        state = f"{mark.glyph} {instance.state}"
        lines = [self.title(cut(name, width - 16), width, note=state, note_ink=mark.ink)]
        # Of the past only what is known is told, and nothing is advised: it cannot be acted on.
        if not is_well(instance) and (self._ui.view.then is None or instance.why is not None):
            lines.extend(self._why(instance, width, max(3, height // 2)))
        lines.extend(self._facts(instance, width))
        if rollout := summary(self._ui.view, name):
            for place, piece in enumerate(textwrap.wrap(clean(rollout), max(1, width - 10))[:2]):
                line = Line().put("         " if place else " rollout ", self._pen(Ink.FAINT))
                lines.append(line.put(piece, self._pen(Ink.INFO)))
        return self._with_graphs(lines, name, width, height)

    def _with_graphs(self, lines: list[Line], name: str, width: int, height: int) -> list[Line]:
        self.graph_rows = max(0, height - len(lines)) if name else 0
        drawn = Graphs(self._ui, self.palette, self.ground)
        return [*lines, *drawn.lines(name, width, self.graph_rows)][:height]

    def _pen(self, ink: Ink, *, is_bold: bool = False) -> Style:
        return self.palette.style(ink, self.ground, is_bold=is_bold)

    def _group(self, name: str, width: int) -> list[Line]:
        """Draw what there is to say of a service, or that nothing is selected."""
        if not name:
            text = "the instance under the cursor is shown here"
            return [
                self.title("detail", width),
                Line(),
                Line().put(f"  {text}", self._pen(Ink.DIM)),
            ]
        service = name[:-1]
        members = [each for each in self._ui.view.shown.values() if each.service == service]
        note = fmt.plural(len(members), "instance")
        lines = [self.title(cut(f"{service}, together", width - 16), width, note=note)]
        known, sample = self._ui.view.services.get(service), self._ui.view.sample(name)
        pairs = [
            ("scale", known.scale if known else ""),
            ("inflight", str(sample.inflight or "")),
            ("procs", str(sample.pids or "")),
            ("restarts", str(sum(each.restarts for each in members) or "")),
        ]
        return [*lines, *self._pairs(pairs, width)]

    def _why(self, instance: InstanceView, width: int, height: int) -> list[Line]:
        lines = []
        for fact in why_facts(instance, self._ui.view.shown_at, self._ui.keys):
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
        now = self._ui.view.shown_at
        sample = self._ui.view.sample(instance.name)
        service = self._ui.view.services.get(instance.service)
        pairs = [
            ("up", fmt.duration(now - instance.started_at) if instance.pid else ""),
            ("pid", str(instance.pid or "")),
            ("port", str(instance.port or "") if instance.network == "host" else instance.address),
            ("weight", str(instance.weight)),
            ("restarts", str(instance.restarts or "")),
            ("scale", service.scale if service else ""),
            ("inflight", str(sample.inflight or "")),
            ("procs", str(sample.pids or "")),
            ("isolation", instance.isolation),
            ("version", instance.version),
            ("disk", fmt.size(instance.storage_used_bytes) if instance.storage_used_bytes else ""),
        ]
        return self._pairs(pairs, width)

    def _pairs(self, pairs: list[tuple[str, str]], width: int) -> list[Line]:
        """Put labels with their texts into two rows at most; empty ones are left out."""
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
