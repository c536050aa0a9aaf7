"""The log pane's own state: which lines are held, which are in view, and what to ask for.

Lines are known by their number, which is stable over eviction and restarts. Following shows the
end; paused, the first line in view stays where it is whatever is written meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len

from engine.core.wire import LogLine
from ten_tui.format import clean
from ten_tui.store import folding
from ten_tui.store.structured import columns, pretty, widths

if TYPE_CHECKING:
    from engine.core.wire import LogWindow

HELD = 2000
"""Lines kept around the view; the farther end is dropped."""

SINCE_PRESETS: tuple[tuple[str, int], ...] = (
    ("all", 0),
    ("1m", 60),
    ("5m", 300),
    ("15m", 900),
    ("1h", 3600),
    ("6h", 6 * 3600),
    ("24h", 24 * 3600),
)


@dataclass(frozen=True)
class LogQuery:
    """Which lines of which ring count."""

    name: str = ""
    text: str = ""
    stream: str = ""
    since_ns: int = 0
    until_ns: int = 0
    context: int = 0
    """Lines shown around each that has the text."""

    @property
    def is_filtered(self) -> bool:
        """Whether lines may be left out between two others."""
        return bool(self.text or self.stream or self.since_ns or self.until_ns)


@dataclass(frozen=True)
class LogRow:
    """One row of the pane.

    Attributes:
        line: The line it belongs to, None for a gap.
        offset: Where in the line's text it begins, in characters.
        missing: Lines that were evicted here, or lie between two matches.
        part: Which row of the line it is, where the line is laid out over several.
        shown: What is drawn in the place of the line's text.
        until: Number of the last line it stands for; `line` is the first of them.
    """

    line: LogLine | None
    offset: int = 0
    missing: int = 0
    part: int = 0
    shown: str | None = None
    until: int = -1

    def stands_for(self, number: int) -> bool:
        """Whether a line is shown by it."""
        return self.line is not None and self.line.number <= number <= max(
            self.until, self.line.number
        )

    @property
    def text(self) -> str:
        """What the row is cut from."""
        if self.shown is not None:
            return self.shown
        return self.line.text if self.line is not None else ""

    @property
    def is_first(self) -> bool:
        """Whether the line begins with this row."""
        return not self.offset and not self.part


@dataclass(frozen=True)
class Page:
    """A stretch of lines to be fetched: before a line, or from a line on."""

    query: LogQuery
    first: int
    count: int
    is_backward: bool = False


@dataclass
class Logs:
    """The pane.

    Attributes:
        held: Lines at hand, by number.
        top: Number of the first line in view while paused.
        column: First column in view.
        seen: Number after the last line that was ever in view.
        match: Number of the line the search stands on, -1 for none.
        mark: Number where the marked stretch begins, -1 for none.
        cursor: Number of the line under the reading cursor while paused.
        wanted_from: First line last asked for, to know a gap at the head.
        is_folded: Lines alike but for numbers, one after the other, are one row.
        is_pretty: JSON in lines is laid out over rows.
        fields: Names of the fields that are shown in columns, none for whole lines.
        widths: Of those columns, in cells.
    """

    query: LogQuery = field(default_factory=LogQuery)
    held: list[LogLine] = field(default_factory=list)
    oldest: int = 0
    end: int = 0
    size_bytes: int = 0
    is_following: bool = True
    is_known: bool = False
    top: int = 0
    column: int = 0
    seen: int = 0
    search: str = ""
    match: int = -1
    mark: int = -1
    cursor: int = -1
    is_wrapped: bool = False
    has_times: bool = True
    since: int = 0
    is_folded: bool = False
    is_pretty: bool = False
    fields: tuple[str, ...] = ()
    widths: dict[str, int] = field(default_factory=dict)

    def open(self, query: LogQuery) -> None:
        """Look at something else, from its end."""
        if query == self.query:
            return
        if query.name != self.query.name:
            self.match = self.mark = -1
            self.column = 0
        self.query = query
        self.held = []
        self.is_known = False
        self.is_following = True
        self.oldest = self.end = self.seen = self.size_bytes = 0
        self.cursor = -1

    def take_tail(self, window: LogWindow) -> None:
        """Take the newest lines, as fetched while following."""
        self._take_bounds(window)
        lines = _safe(window.lines)
        self.held = self._join(lines) if self._continues(lines) else lines
        self.seen = max(self.seen, self.end)

    def take_end(self, window: LogWindow) -> None:
        """Take only where the ring ends now, as asked while paused."""
        self._take_bounds(window)

    def take_page(self, page: Page, lines: list[LogLine], oldest: int, end: int) -> None:
        """Take lines before or after those held."""
        lines = _safe(lines)
        self.oldest, self.end = max(self.oldest, oldest), max(self.end, end)
        if self.held and not self._touches(lines, page):
            self.held = []
        self.held = self._join(lines)
        if len(self.held) > HELD:
            self.held = self.held[:HELD] if page.is_backward else self.held[-HELD:]

    def _take_bounds(self, window: LogWindow) -> None:
        self.is_known = True
        self.oldest, self.end, self.size_bytes = window.oldest, window.end, window.size_bytes

    def _continues(self, lines: list[LogLine]) -> bool:
        """Tell whether lines overlap or directly follow what is held."""
        if not self.held or not lines:
            return False
        return lines[0].number <= self.held[-1].number + 1

    def _touches(self, lines: list[LogLine], page: Page) -> bool:
        if not lines or self.query.is_filtered:
            return True
        if page.is_backward:
            return lines[-1].number >= self.held[0].number - 1
        return self._continues(lines)

    def _join(self, lines: list[LogLine]) -> list[LogLine]:
        if not lines:
            return self.held
        known = {line.number: line for line in self.held}
        known.update((line.number, line) for line in lines)
        joined = [known[number] for number in sorted(known)]
        return joined[-HELD:] if self.is_following else joined

    @property
    def unseen(self) -> int:
        """Lines written since the view was paused that were never in view."""
        return 0 if self.is_following else max(0, self.end - self.seen)

    def index(self, number: int) -> int:
        """Find the first held line at or after a number."""
        return bisect_left(self.held, number, key=lambda line: line.number)

    def pause(self, first_in_view: int, last_in_view: int) -> None:
        """Stop following; the view stays on the lines it shows."""
        if self.is_following:
            self.is_following = False
            self.top = first_in_view
            self.cursor = last_in_view
            self.seen = self.end

    def follow(self) -> None:
        """Go to the end and stay there."""
        self.is_following = True
        self.mark = self.cursor = -1

    def scroll(self, steps: int) -> Page | None:
        """Move the view by lines; returns what must be fetched for it, None if all is at hand."""
        if not self.held:
            return None
        if self.is_folded:
            place = self._over_folds(self.index(self.top), steps)
            page = self._page_for(place, folding.MANY // 2)
        else:
            place = self.index(self.top) + steps
            page = self._page_for(place, abs(steps))
        self.top = self.held[max(0, min(len(self.held) - 1, place))].number
        return page

    def _over_folds(self, place: int, steps: int) -> int:
        """Go from a place to the first line of another fold; -1 or the end where there is none."""
        starts = [fold.first for fold in folding.folds(self.held)]
        wanted = bisect_right(starts, place) - 1 + steps
        if wanted < 0:
            return -1
        return starts[wanted] if wanted < len(starts) else len(self.held)

    def _page_for(self, place: int, reach: int) -> Page | None:
        count = max(100, 2 * reach)
        if place < reach and self.held[0].number > self.oldest:
            return Page(self.query, self.held[0].number, count, is_backward=True)
        if place + 2 * reach >= len(self.held) and self.held[-1].number + 1 < self.end:
            return Page(self.query, self.held[-1].number + 1, count)
        return None

    def go_to(self, number: int, height: int) -> Page | None:
        """Pause with a line in the upper third of the view."""
        self.is_following = False
        self.cursor = number
        context = max(0, height // 3)
        if self.held and self.held[0].number <= number <= self.held[-1].number:
            place = self.index(number) - context
            if self.held[-1].number + 1 >= self.end:
                place = min(place, len(self.held) - height)
            if place >= 0 or self.held[0].number <= self.oldest:
                self.top = self.held[max(0, place)].number
                return None
        self.top = max(self.oldest, min(number - context, self.end - height))
        self.held = []
        return Page(self.query, self.top, max(200, 4 * height))

    def see(self, rows: list[LogRow]) -> None:
        """Note which lines came into view."""
        last = max((row.line.number for row in rows if row.line is not None), default=-1)
        self.seen = max(self.seen, min(last + 1, self.end))

    def stretch(self) -> tuple[int, int]:
        """Give the marked stretch, first and last number; the cursor's line where none is."""
        if self.mark < 0:
            return self.cursor, self.cursor
        return min(self.mark, self.cursor), max(self.mark, self.cursor)


def rows_in_view(logs: Logs, height: int, width: int) -> list[LogRow]:
    """Lay out the rows of the pane: the last ones while following, else from the top line on."""
    if height <= 0 or width <= 0:
        return []
    if logs.fields:
        widths((line.text for line in logs.held), logs.fields, logs.widths)
    if logs.is_folded:
        return _folded(logs, height)
    if logs.is_following:
        return _rows_to_end(logs, height, width)
    rows: list[LogRow] = []
    start = logs.index(logs.top)
    before = logs.top if not logs.query.is_filtered and not start else -1
    if start and logs.query.context:
        before = logs.held[start - 1].number + 1
    for line in logs.held[start:]:
        rows.extend(_gap(before, line, logs))
        rows.extend(_rows_of(line, logs, width))
        before = line.number + 1
        if len(rows) >= height:
            break
    return rows[:height]


def _folded(logs: Logs, height: int) -> list[LogRow]:
    """Lay out folds, a row each; what is laid out otherwise is not while lines are folded."""
    if logs.is_following:
        found = folding.newest(logs.held, height)
    else:
        found = folding.folds(logs.held)
        start = bisect_right([fold.first for fold in found], logs.index(logs.top)) - 1
        found = found[max(0, start) :][:height]
    return [_row_of(fold, logs) for fold in found]


def _row_of(fold: folding.Fold, logs: Logs) -> LogRow:
    line = logs.held[fold.first]
    if fold.size == 1:
        return LogRow(line)
    text = folding.shown(line, fold.size)
    return LogRow(line, shown=text, until=logs.held[fold.last].number)


def _rows_to_end(logs: Logs, height: int, width: int) -> list[LogRow]:
    rows: list[LogRow] = []
    after = -1
    for line in reversed(logs.held):
        if logs.query.context and 0 <= line.number < after - 1:
            rows.insert(0, LogRow(None, missing=after - line.number - 1))
        rows[:0] = _rows_of(line, logs, width)
        after = line.number
        if len(rows) >= height:
            break
    return rows[-height:]


def _gap(expected: int, line: LogLine, logs: Logs) -> list[LogRow]:
    missing = line.number - expected
    is_thin = logs.query.is_filtered and not logs.query.context
    if expected < 0 or missing <= 0 or is_thin:
        return []
    return [LogRow(None, missing=missing)]


def _safe(lines: list[LogLine]) -> list[LogLine]:
    """Sanitise lines as they come in, so that every place in a text means a place on screen."""
    found = []
    for line in lines:
        text = clean(line.text)
        if text != line.text:
            line = LogLine(line.number, line.time_ns, line.stream, text, line.cut_bytes)  # noqa: PLW2901
        found.append(line)
    return found


def _rows_of(line: LogLine, logs: Logs, width: int) -> list[LogRow]:
    if logs.fields:
        shown = columns(line.text, logs.fields, logs.widths)
        return [LogRow(line, shown=shown)]
    if logs.is_pretty and (laid := pretty(line.text)):
        return [LogRow(line, part=part, shown=text) for part, text in enumerate(laid)]
    if not logs.is_wrapped or cell_len(line.text) <= width:
        return [LogRow(line)]
    if line.text.isascii():
        return [LogRow(line, offset) for offset in range(0, len(line.text), width)]
    rows, used = [LogRow(line)], 0
    for place, char in enumerate(line.text):
        cells = cell_len(char)
        if used + cells > width:
            rows.append(LogRow(line, place))
            used = 0
        used += cells
    return rows
