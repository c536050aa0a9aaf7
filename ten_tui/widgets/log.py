"""The log pane: a window of lines pulled from the engine, drawn row by row."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store import histogram
from ten_tui.store.arrange import PaneId
from ten_tui.store.histogram import LABEL, columns_in
from ten_tui.store.levels import find_level
from ten_tui.store.logs import SINCE_PRESETS, rows_in_view
from ten_tui.theme import Ground, Ink
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.pane import BAR, Pane

if TYPE_CHECKING:
    from engine.core.wire import LogLine
    from ten_tui.store.levels import Level
    from ten_tui.store.logs import LogRow
    from ten_tui.store.ui import UiState
    from ten_tui.widgets.palette import Palette

_STAMP = 13
_GUTTER = 2


@lru_cache(maxsize=2048)
def _stamp(time_ns: int) -> str:
    return fmt.clock_millis(time_ns)


def _level_of(line: LogLine) -> Level | None:
    """Give a line's level; a request has none, whatever words its path is made of."""
    return None if line.stream == "access" else find_level(line.text)


def _second(time_ns: int) -> str:
    return fmt.clock(time_ns / 1e9)


class LogPane(Pane):
    """The lower pane."""

    def __init__(self, palette: Palette, ui: UiState) -> None:
        """Take what it shows."""
        super().__init__(palette, id="log")
        self._ui = ui
        self.shown: list[LogRow] = []

    @property
    def text_width(self) -> int:
        """Columns left for the text of a line."""
        stamp = _STAMP if self._ui.logs.has_times else 0
        return max(1, self.size.width - _GUTTER - stamp)

    def rows(self, width: int, height: int) -> list[Line]:
        """Draw the head and the rows in view."""
        logs = self._ui.logs
        columns = self.histogram_columns(width, height)
        self.shown = rows_in_view(logs, height - (2 if columns else 1), self.text_width)
        logs.see(self.shown)
        lines = [self._head(width)]
        if columns:
            lines.append(self._histogram(columns))
        if self.shown:
            lines.extend(self._row(row, width) for row in self.shown)
        else:
            lines.extend(self._empty(width))
        return lines

    def histogram_columns(self, width: int, height: int) -> int:
        """Tell how many cells the histogram has; 0 where there is none."""
        return columns_in(width, height) if self._ui.has_histogram else 0

    def _histogram(self, columns: int) -> Line:
        """Draw the rate of the log over the span of the graphs, with the time cursor in it."""
        ui, style = self._ui, self.palette.style
        window = histogram.window_of(ui.timeline, ui.view.now, columns)
        is_same = ui.logs.query.name == ui.view.history_of
        history = ui.view.history if is_same else ()
        lines, errors = histogram.rates(ui.view.log_past, history, window)
        drawn = histogram.cells(lines, errors, ui.rendering)
        at = ui.timeline.at
        if at is not None and 0 <= (place := window.place(at)) < columns:
            drawn[place] = (ui.rendering.cursor, Ink.ACCENT)
        line = Line().put(f"{ui.timeline.label:>{LABEL - 1}} ", style(Ink.FAINT))
        for ink, run in groupby(drawn, key=lambda cell: cell[1]):
            line.put("".join(sign for sign, _ in run), style(ink))
        return line

    def _head(self, width: int) -> Line:
        logs, style = self._ui.logs, self.palette.style
        ground = Ground.RAISED
        ink = Ink.ACCENT if self.is_active else Ink.DIM
        blank = style(Ink.TEXT, ground)
        line = Line().put(BAR if self.is_active else " ", style(Ink.ACCENT, ground))
        title = f"log {logs.query.name}".rstrip()
        line.put(cut(title, max(10, width // 3)), style(ink, ground, is_bold=self.is_active))
        for text, note in self._notes():
            if line.width + len(text) + 2 > width - 10:
                break
            line.put(f"  {text}", style(note, ground))
        size = f"{fmt.count(logs.end - logs.oldest)} lines {fmt.size(logs.size_bytes)}"
        self.put_tabs(line, width - len(size) - 3)
        if logs.is_known and line.width + len(size) + 3 < width:
            line.right(size, style(Ink.FAINT, ground), width - 1, blank)
        return line.fill(width, blank)

    def _notes(self) -> list[tuple[str, Ink]]:
        logs = self._ui.logs
        notes: list[tuple[str, Ink]] = []
        if logs.is_following:
            notes.append(("following", Ink.OK))
        else:
            notes.append(("paused", Ink.WARN))
            if logs.unseen:
                notes.append((f"▼ {fmt.count(logs.unseen)} new", Ink.ACCENT))
        return [*notes, *self._filters()]

    def _filters(self) -> list[tuple[str, Ink]]:
        logs = self._ui.logs
        notes: list[tuple[str, Ink]] = []
        if logs.search:
            notes.append((f"/{logs.search}", Ink.INFO))
        if logs.query.text:
            around = f" ±{logs.query.context}" if logs.query.context else ""
            notes.append((f"&{logs.query.text}{around}", Ink.INFO))
        if logs.query.stream:
            notes.append((f"{logs.query.stream} only", Ink.INFO))
        if logs.query.since_ns:
            since = SINCE_PRESETS[logs.since][0] if logs.since else _second(logs.query.since_ns)
            notes.append((f"since {since}", Ink.INFO))
        if logs.query.until_ns:
            notes.append((f"until {_second(logs.query.until_ns)}", Ink.INFO))
        if logs.fields:
            notes.append((f"columns {','.join(logs.fields)}", Ink.FAINT))
        elif logs.is_folded:
            notes.append(("folded", Ink.FAINT))
        elif logs.is_pretty:
            notes.append(("JSON", Ink.FAINT))
        if logs.is_wrapped:
            notes.append(("wrap", Ink.FAINT))
        return notes

    def _row(self, row: LogRow, width: int) -> Line:
        logs, style = self._ui.logs, self.palette.style
        line = row.line
        if line is None:
            where = "between" if logs.query.context else "evicted from the ring"
            text = f"⋯ {fmt.plural(row.missing, 'line')} {where} ⋯"
            return Line().to(_GUTTER, style(Ink.TEXT)).put(text, style(Ink.FAINT))
        first, last = logs.stretch()
        is_marked = logs.mark >= 0 and first <= line.number <= last
        is_cursor = not logs.is_following and row.stands_for(logs.cursor)
        is_here = self.is_active and is_cursor
        is_then = is_cursor and not self._ui.timeline.is_now
        is_quiet = is_marked or is_then
        ground = Ground.SELECT if is_here else Ground.QUIET if is_quiet else Ground.BASE
        level = _level_of(line)
        is_stderr = line.stream == "stderr"
        side = Ink.BAD if level and level.ink is Ink.BAD else Ink.WARN if is_stderr else Ink.TEXT
        drawn = Line()
        gutter = "▎" if is_stderr or (level and level.ink is Ink.BAD) else " "
        drawn.put(gutter if row.is_first else " ", style(side, ground))
        if logs.has_times:
            stamp = _stamp(line.time_ns) if row.is_first else ""
            drawn.put(f"{stamp:<{_STAMP}}", style(Ink.FAINT, ground))
        drawn.put(" ", style(Ink.TEXT, ground))
        self._text(drawn, row, ground)
        return drawn.fill(width, style(Ink.TEXT, ground))

    def _text(self, drawn: Line, row: LogRow, ground: Ground) -> None:
        """Draw the piece of the text in view, its level coloured and matches lit."""
        logs, line = self._ui.logs, row.line
        if line is None:
            return
        room = self.text_width
        text = row.text
        start = row.offset if logs.is_wrapped else logs.column
        end = min(len(text), start + room)
        is_beside = bool(logs.query.context) and logs.query.text not in line.text
        is_quiet = is_beside or line.stream == "access"
        for piece, ink, is_match in self._pieces(_level_of(line), text, start, end):
            ink = Ink.DIM if is_quiet and ink is Ink.TEXT else ink  # noqa: PLW2901
            drawn.put(piece, self.palette.style(ink, Ground.MATCH if is_match else ground))
        if line.cut_bytes and start + room >= len(text):
            note = f" … {fmt.size(line.cut_bytes)} more"
            drawn.put(note, self.palette.style(Ink.FAINT, ground))

    def _pieces(
        self, level: Level | None, text: str, start: int, end: int
    ) -> list[tuple[str, Ink, bool]]:
        """Split the text in view at its level's word and at the matches."""
        cuts = {start, end}
        if level is not None:
            cuts |= {level.start, level.end}
        matches = self._matches(text, start, end)
        for at, stop in matches:
            cuts |= {at, stop}
        places = sorted(place for place in cuts if start <= place <= end)
        pieces = []
        for left, right in pairwise(places):
            is_level = level is not None and level.start <= left < level.end
            ink = level.ink if level is not None and is_level else Ink.TEXT
            lit = any(at <= left < stop for at, stop in matches)
            pieces.append((text[left:right], ink, lit))
        return pieces

    def _matches(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for needle in (self._ui.logs.search, self._ui.logs.query.text):
            at = text.find(needle, max(0, start - len(needle)), end) if needle else -1
            while at >= 0 and len(found) < 50:
                found.append((max(start, at), min(end, at + len(needle))))
                at = text.find(needle, at + len(needle), end)
        return found

    def _empty(self, width: int) -> list[Line]:
        logs, style = self._ui.logs, self.palette.style
        if not logs.query.name:
            text = "an instance under the cursor has its log here"
        elif not logs.is_known:
            text = "reading"
        elif logs.query.is_filtered:
            text = "nothing matches: Esc clears the filter"
        else:
            text = "no output yet"
        line = Line().to(_GUTTER, style(Ink.TEXT))
        return [Line(), line.put(cut(text, width - _GUTTER), style(Ink.DIM))]

    @property
    def pane_id(self) -> PaneId:
        """Which pane this is."""
        return PaneId.LOG
