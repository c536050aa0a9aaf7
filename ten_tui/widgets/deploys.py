"""The deploys pane: a service's versions side by side, its rollout, and what they differ in."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.format import clean
from ten_tui.store import deploys
from ten_tui.store.ui import Mode
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from rich.style import Style

    from engine.core.wire_rollout import RolloutView
    from ten_tui.store.deploys import VersionRow
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_LABEL = 11
_STATIONS = {
    "done": ("✔", Ink.OK),
    "now": ("●", Ink.ACCENT),
    "next": ("○", Ink.FAINT),
    "failed": ("✖", Ink.BAD),
}
# Title, cells, and the least width of the pane to have it.
_COLUMNS = (
    ("", 4, 0),
    ("state", 11, 0),
    ("weight", 6, 0),
    ("share", 8, 0),
    ("req/s", 6, 0),
    ("failed", 6, 0),
    ("p50", 6, 96),
    ("p95", 6, 0),
    ("memory", 6, 0),
    ("restarts", 8, 104),
    ("up", 5, 84),
)
_LEFT = frozenset({"", "state"})
_NAME = 14
_LEAST_LINES = 3


class DeploysPane(Pane):
    """One service at a time: that of the table's cursor."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="deploys")
        self._ui = ui

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the rollout, then the versions, then what they differ in."""
        view = self._ui.view
        service = deploys.service_of(view, self._ui.table.cursor)
        rollout = view.rollouts.get(service)
        note = deploys.place_of(rollout) if rollout else ""
        ink = deploys.state_ink(rollout) if rollout else Ink.FAINT
        lines = [self.title(f"deploys · {service}", width, note=note, note_ink=ink)]
        if rollout is None:
            key = self._ui.keys.get("deploy", "d")
            lines.append(self._labelled("rollout", f"none yet: {key} deploys a version of it"))
        else:
            lines += self._rollout(rollout, width)
        lines.append(Line())
        room = max(_LEAST_LINES, height - len(lines) - self._differing_rows(height))
        lines += self._versions(service, width, room, len(lines))
        lines += self._differences(service, width, height - len(lines))
        return lines

    def _pen(self, ink: Ink, ground: Ground = Ground.BASE, *, is_bold: bool = False) -> Style:
        return self.palette.style(ink, ground, is_bold=is_bold)

    def _labelled(self, label: str, text: str = "", ink: Ink = Ink.DIM) -> Line:
        line = Line().put(f"  {label}", self._pen(Ink.FAINT)).to(_LABEL, self._pen(Ink.TEXT))
        return line.put(text, self._pen(ink))

    # --- the rollout ---

    def _rollout(self, rollout: RolloutView, width: int) -> list[Line]:
        news, olds = (deploys.fmt_names(names) for names in (rollout.news, rollout.olds))
        line = self._labelled("rollout", news, Ink.TEXT)
        line.put(f" beside {olds}", self._pen(Ink.DIM))
        by = f" · by {rollout.actor}" if rollout.actor else ""
        begun = f", begun {fmt.clock(rollout.begun_at)}" if rollout.begun_at else ""
        line.put(f"{by}{begun}", self._pen(Ink.FAINT))
        lines = [line, self._steps(rollout), self._labelled("next")]
        ink = deploys.state_ink(rollout)
        outlook = deploys.outlook(rollout, self._ui.view.now)
        lines[-1].put(cut(outlook, width - _LABEL - 1), self._pen(ink))
        lines += self._gate(rollout)
        if rollout.reason:
            pieces = textwrap.wrap(clean(rollout.reason), max(20, width - _LABEL - 2))[:3]
            lines += [
                self._labelled("" if place else "reason", piece, Ink.BAD)
                for place, piece in enumerate(pieces)
            ]
        return lines

    def _steps(self, rollout: RolloutView) -> Line:
        line = self._labelled("steps")
        for place, step in enumerate(deploys.steps(rollout)):
            glyph, ink = _STATIONS[step.place]
            if place:
                line.put(" ── ", self._pen(Ink.FAINT))
            line.put(f"{glyph} ", self._pen(ink))
            is_here = step.place in {"now", "failed"}
            line.put(step.label, self._pen(ink if is_here else Ink.DIM, is_bold=is_here))
        return line

    def _gate(self, rollout: RolloutView) -> list[Line]:
        gate = deploys.gate(rollout)
        if not gate:
            return []
        head = self._labelled("gate")
        head.put(f"{'':<10}{'new':>9}{'old':>9}   limit", self._pen(Ink.FAINT))
        lines = [head]
        for row in gate:
            line = self._labelled("", f"{row.label:<10}")
            line.put(f"{row.new:>9}", self._pen(Ink.TEXT if row.is_good else Ink.BAD))
            line.put(f"{row.old:>9}", self._pen(Ink.DIM)).put(f"   {row.limit}", self._pen(Ink.DIM))
            if not row.is_good:
                line.put("  ✖ over it", self._pen(Ink.BAD))
            lines.append(line)
        return lines

    # --- the versions ---

    def _versions(self, service: str, width: int, height: int, above: int) -> list[Line]:
        ui = self._ui
        rows = deploys.versions(ui.view, service)
        ui.deploys.rows_at = {}
        if not rows:
            return [self._labelled("versions", "none known")]
        columns = [column for column in _COLUMNS if width >= column[2]]
        used = sum(cells + 1 for _, cells, _ in columns) + 2
        name = max(_NAME, min(width - used - 1, max(len(row.instance.name) for row in rows)))
        head = Line().put(f"  {'version':<{name}}", self._pen(Ink.FAINT))
        for title, cells, _ in columns:
            text = f"{title:<{cells}}" if title in _LEFT else f"{title:>{cells}}"
            head.put(f" {text}", self._pen(Ink.FAINT))
        lines = [head]
        after = {}
        if ui.mode is Mode.WEIGHT:
            after = deploys.shares_after(rows, ui.table.selected, ui.prompt.text)
        names = [row.instance.name for row in rows]
        here = names.index(ui.table.selected) if ui.table.selected in names else 0
        body = max(1, height - 1)
        first = max(0, min(here - body + 2, len(rows) - body)) if len(rows) > body else 0
        for row in rows[first : first + body]:
            ui.deploys.rows_at[above + len(lines)] = row.instance.name
            lines.append(self._version(row, name, columns, width, after))
        return lines

    def _version(
        self,
        row: VersionRow,
        name: int,
        columns: list[tuple[str, int, int]],
        width: int,
        after: dict[str, float],
    ) -> Line:
        one = row.instance
        is_here = one.name == self._ui.table.selected
        ground = Ground.SELECT if is_here else Ground.BASE
        line = Line().put(BAR if is_here else " ", self._pen(Ink.ACCENT, ground))
        line.put(" ", self._pen(Ink.TEXT, ground))
        line.put(cut(one.name, name), self._pen(Ink.TEXT, ground, is_bold=row.side == "new"))
        line.to(name + 2, self._pen(Ink.TEXT, ground))
        cells = self._cells(row, after)
        for title, room, _ in columns:
            text, ink = cells[title]
            text = cut(text, room)
            text = f"{text:<{room}}" if title in _LEFT else f"{text:>{room}}"
            line.put(f" {text}", self._pen(ink, ground))
        return line.fill(width, self._pen(Ink.TEXT, ground))

    def _cells(self, row: VersionRow, after: dict[str, float]) -> dict[str, tuple[str, Ink]]:
        one, view = row.instance, self._ui.view
        sample, mark = view.sample(one.name), fmt.MARKS[one.state]
        failed = min(1.0, sample.errors / sample.requests) if sample.requests else 0.0
        share, ink = fmt.percent(row.share), Ink.DIM
        new = after.get(one.name, row.share)
        if fmt.percent(new) != share:
            share, ink = f"{fmt.percent(row.share)}→{fmt.percent(new)}"[-8:], Ink.ACCENT
        age = fmt.duration(view.shown_at - one.started_at) if one.pid else fmt.NOTHING
        return {
            "": (row.side, Ink.INFO if row.side == "new" else Ink.FAINT),
            "state": (f"{mark.glyph} {one.state.value}", mark.ink),
            "weight": (str(one.weight), Ink.TEXT),
            "share": (share, ink),
            "req/s": (fmt.rate(sample.requests), Ink.DIM),
            "failed": (f"{failed:.1%}" if failed else fmt.NOTHING, Ink.BAD if failed else Ink.DIM),
            "p50": (fmt.millis(sample.p50_ms), Ink.DIM),
            "p95": (fmt.millis(sample.p95_ms), Ink.DIM),
            "memory": (fmt.size(sample.memory_bytes), Ink.DIM),
            "restarts": (str(one.restarts or fmt.NOTHING), Ink.WARN if one.restarts else Ink.DIM),
            "up": (age, Ink.DIM),
        }

    # --- what they differ in ---

    def _differing_rows(self, height: int) -> int:
        compared = self._ui.deploys.compared
        if compared is None:
            return 0
        return min(height // 3, 4 + len(compared.settings) + len(compared.lines))

    def _differences(self, service: str, width: int, height: int) -> list[Line]:
        compared = self._ui.deploys.compared
        if compared is None or compared.new.partition(":")[0] != service or height < _LEAST_LINES:
            return []
        lines = [Line(), self._between(f"{compared.old} → {compared.new}", "deployed with")]
        for each in compared.settings:
            line = Line().put(f"    {each.key}  ", self._pen(Ink.DIM))
            old, new = each.old or "not set", each.new or "not set"
            room = max(8, (width - line.width - 5) // 2)
            line.put(_end(old, room), self._pen(Ink.BAD)).put(" → ", self._pen(Ink.FAINT))
            lines.append(line.put(_end(new, room), self._pen(Ink.OK)))
        if not compared.settings:
            same = "the same" if compared.is_recorded else "not recorded of both"
            lines.append(Line().put(f"    {same}", self._pen(Ink.DIM)))
        half = max(_LEAST_LINES, (height + 1) // 2)
        lines = lines[: max(half, height - 2 - len(compared.lines))]
        lines.append(self._between("old → new, by kind", "error lines"))
        if not compared.lines:
            lines.append(Line().put("    none of either", self._pen(Ink.DIM)))
        for kind in compared.lines:
            ink = Ink.BAD if not kind.old else Ink.DIM
            counts = f"{fmt.count(kind.old):>8} → {fmt.count(kind.new):<6} "
            line = Line().put(counts, self._pen(ink))
            lines.append(line.put(cut(kind.template, width - line.width - 1), self._pen(ink)))
        return lines[:height]

    def _between(self, note: str, label: str) -> Line:
        line = Line().put(f"  {label}  ", self._pen(Ink.FAINT))
        return line.put(note, self._pen(Ink.FAINT))


def _end(text: str, room: int) -> str:
    """Cut from the left: what differs of two command lines stands at their ends mostly."""
    text = clean(text)
    return text if len(text) <= room else f"…{text[len(text) - room + 1 :]}"
