"""What the user does in the log pane: follow, pause, scroll, search, filter, mark, save."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.wire import LogMatches, LogWindow
from ten_tui import format as fmt
from ten_tui.clipboard import write_private
from ten_tui.link import LogWish
from ten_tui.store.arrange import PaneId
from ten_tui.store.folding import MANY
from ten_tui.store.log_cursor import cursor_step
from ten_tui.store.logs import SINCE_PRESETS, Page
from ten_tui.store.structured import fields
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.errors import TenError
    from engine.core.wire import LogLine
    from ten_tui.asking import Client
    from ten_tui.deeds import Deeds
    from ten_tui.link import Link
    from ten_tui.stage import Stage
    from ten_tui.store.logs import LogQuery
    from ten_tui.store.ui import UiState

ERRORS = r"\b(FATAL|PANIC|CRITICAL|ERROR|Error|error|Traceback|panic|Exception)\b"
CONTEXTS = (0, 1, 2, 3, 5, 10, 20, 50)
"""Lines around a match; the last is what the engine gives at most."""

_SIDE = 8
_STREAMS = {"": "stderr", "stderr": "stdout", "stdout": "access", "access": ""}
_SEARCH_CALLS = 40
"""Slices of the engine's search that one key may ask for: 10 s at most."""


class Reading:
    """The log pane's keys."""

    def __init__(self, ui: UiState, link: Link, stage: Stage, deeds: Deeds) -> None:
        """Take the state it moves in and the link it fetches over."""
        self._ui = ui
        self._logs = ui.logs
        self._link = link
        self._stage = stage
        self._say = deeds.say

    @property
    def height(self) -> int:
        """Rows there are for lines."""
        return self._stage.body_height(PaneId.LOG)

    def open(self, name: str) -> None:
        """Show the end of an instance's log; filters stay."""
        query = self._logs.query
        self._logs.open(replace(query, name=name))
        self.watch()

    def watch(self) -> None:
        """Tell the link which lines are in view."""
        query = self._logs.query
        if not query.name:
            self._link.watch_log(None)
            return
        count = max(self.height + 1, MANY if self._logs.is_folded else 0)
        self._link.watch_log(LogWish(query, count, self._logs.is_following))

    def take_tail(self, query: LogQuery, window: LogWindow, *, is_following: bool) -> None:
        """Take what the link fetched, if it is still wanted."""
        if query != self._logs.query:
            return
        if is_following and self._logs.is_following:
            self._logs.take_tail(window)
        else:
            self._logs.take_end(window)
        self._stage.repaint((PaneId.LOG,))

    # --- moving ---

    def toggle_follow(self) -> None:
        """Pause where the view is, or go to the end."""
        if self._logs.is_following:
            self._pause()
        else:
            self._logs.follow()
        self._after()

    def to_end(self) -> None:
        """Go to the end and follow."""
        self._logs.follow()
        self._after()

    def to_top(self) -> None:
        """Go to the oldest line that is kept."""
        self._pause()
        self._fetch(self._logs.go_to(self._logs.oldest, 0))
        self._after()

    def move(self, steps: int) -> None:
        """Move by lines; moving pauses."""
        if self._logs.is_following and steps > 0:
            return
        self._pause()
        self._fetch(cursor_step(self._logs, steps, self.height))
        self._after()

    def sideways(self, steps: int) -> None:
        """Move the view to the side."""
        self._logs.column = max(0, self._logs.column + steps * _SIDE)
        self._after()

    def _pause(self) -> None:
        first, last = self._stage.log_in_view()
        if self._logs.is_following and first >= 0:
            self._logs.pause(first, last)

    def _after(self) -> None:
        self.watch()
        self._stage.repaint((PaneId.LOG,))

    def _fetch(self, page: Page | None) -> None:
        if page is not None and page.count > 0:
            job = partial(self._link.fetch_page, page=page)
            self._link.ask(job, partial(self._took_page, page))

    def _took_page(self, page: Page, value: object, error: TenError | None) -> None:
        if error is not None:
            self._say(f"log: {error}", Ink.BAD)
        elif isinstance(value, LogWindow) and page.query == self._logs.query:
            self._logs.take_page(page, value.lines, value.oldest, value.end)
            self._stage.repaint((PaneId.LOG,))

    def to_time(self, at: float) -> None:
        """Pause at the last line that was written before a time is over."""
        query = self._logs.query
        if not query.name:
            return
        until_ns = int((at + 1) * 1e9)

        def job(client: Client) -> LogWindow:
            return client.log_window(
                query.name, count=1, stream=query.stream, text=query.text, until_ns=until_ns
            )

        self._link.ask(job, partial(self._took_line, query))

    def _took_line(self, query: LogQuery, value: object, error: TenError | None) -> None:
        if error is not None or not isinstance(value, LogWindow) or query != self._logs.query:
            return
        number = value.lines[-1].number if value.lines else value.oldest
        self._logs.oldest, self._logs.end = value.oldest, value.end
        self._fetch(self._logs.go_to(number, self.height))
        self._after()

    # --- what is shown ---

    def filter(self, text: str) -> None:
        """Show only lines with a text."""
        self._requery(text=text)

    def cycle_stream(self) -> None:
        """Show stderr only, then stdout only, then the access log only, then all."""
        self._requery(stream=_STREAMS[self._logs.query.stream])

    def since(self, preset: int, now: float) -> None:
        """Show only what is younger than a preset."""
        label, seconds = SINCE_PRESETS[preset]
        self._logs.since = preset
        self._requery(since_ns=int((now - seconds) * 1e9) if seconds else 0)
        self._say(f"log since {label}", Ink.DIM)

    def context(self, steps: int) -> None:
        """Show more or fewer lines around those that have the text."""
        if not self._logs.query.text:
            self._say("lines around matches: filter first", Ink.DIM)
            return
        place = bisect_left(CONTEXTS, self._logs.query.context) + steps
        self.set_context(CONTEXTS[max(0, min(len(CONTEXTS) - 1, place))])

    def set_context(self, number: int) -> None:
        """Show so many lines around those that have the text."""
        self._requery(context=number)
        self._say(f"{fmt.plural(number, 'line')} around each match", Ink.DIM)

    def between(self, *, since: float | None = None, until: float | None = None) -> None:
        """Show only what was written in a time, seconds since the epoch; 0 is no bound."""
        if since is not None:
            self._logs.since = 0
            self._requery(since_ns=int(since * 1e9))
        if until is not None:
            self._requery(until_ns=int(until * 1e9))

    def toggle_pretty(self) -> None:
        """Lay JSON out over rows, or not."""
        self._logs.is_pretty = not self._logs.is_pretty
        self._logs.is_folded = False
        self._logs.fields = ()
        self._after()

    def toggle_folding(self) -> None:
        """Show lines alike but for numbers as one row, or each by itself."""
        logs = self._logs
        logs.is_folded = not logs.is_folded
        logs.fields, logs.is_pretty = (), False
        if logs.is_folded and not logs.is_following:
            self._fetch(logs.scroll(0))
        self._after()

    def set_fields(self, names: tuple[str, ...]) -> None:
        """Show fields of structured lines in columns; none for whole lines."""
        self._logs.fields = names
        self._logs.is_folded = False
        self._logs.widths = {}
        self._logs.column = 0
        self._after()

    def known_fields(self) -> list[str]:
        """Name the fields of the lines at hand, the most frequent first."""
        counts = Counter(name for line in self._logs.held[-200:] for name in fields(line.text))
        return [name for name, _ in counts.most_common()]

    def jump(self, at: float) -> None:
        """Go to the first line written at a time or later, seconds since the epoch."""
        name = self._logs.query.name
        if not name:
            self._say("no log is open", Ink.DIM)
            return
        since_ns = int(at * 1e9)

        def job(client: Client) -> LogWindow:
            return client.log_window(name, first=0, count=1, since_ns=since_ns)

        self._link.ask(job, partial(self._jumped, name, fmt.clock(at)))

    def _jumped(self, name: str, when: str, value: object, error: TenError | None) -> None:
        if error is not None:
            self._say(f"jump: {error}", Ink.BAD)
        elif isinstance(value, LogWindow) and name == self._logs.query.name:
            if not value.lines:
                self._say(f"nothing was written since {when}", Ink.WARN)
                return
            number = value.lines[0].number
            self._say(f"{when}: line {fmt.count(number)}", Ink.OK)
            self._fetch(self._logs.go_to(number, self.height))
            self._after()

    def clear(self) -> bool:
        """Take away search, then filters; tells whether there was any."""
        logs = self._logs
        if logs.mark >= 0:
            logs.mark = -1
        elif logs.search:
            logs.search, logs.match = "", -1
        elif logs.query.is_filtered:
            logs.since = 0
            self._requery(text="", stream="", since_ns=0, until_ns=0, context=0)
        else:
            return False
        self._after()
        return True

    def _requery(self, **changes: str | int) -> None:
        self._logs.open(replace(self._logs.query, **changes))  # type: ignore[arg-type]
        self._after()

    # --- searching ---

    def search(self, text: str) -> None:
        """Look for a text, upwards from what is in view."""
        self._logs.search = text
        self._logs.match = -1
        if text:
            self.find(is_backward=True)
        self._after()

    def find(self, *, is_backward: bool) -> None:
        """Go to the next match."""
        if not self._logs.search:
            self._say("nothing to search for: / takes a text", Ink.DIM)
            return
        self._find(self._logs.search, is_backward=is_backward, is_regex=False)

    def find_error(self, *, is_backward: bool) -> None:
        """Go to the next line that names an error."""
        self._find(ERRORS, is_backward=is_backward, is_regex=True)

    def _find(self, text: str, *, is_backward: bool, is_regex: bool) -> None:
        logs = self._logs
        first, last = self._stage.log_in_view()
        start = logs.cursor if not logs.is_following and logs.cursor >= 0 else -1
        if start >= 0:
            begin = start - 1 if is_backward else start + 1
        else:
            begin = last if is_backward else first
        if begin < 0 or not logs.query.name:
            self._say("no line to search", Ink.DIM)
            return
        name = logs.query.name
        what = "error" if is_regex else f'"{text}"'
        self._say(f"searching {what}", Ink.DIM)

        def job(client: Client) -> LogMatches:
            place = begin
            for _ in range(_SEARCH_CALLS):
                found = client.log_search(
                    name, text=text, first=place, is_backward=is_backward, is_regex=is_regex
                )
                if found.lines or found.next < 0:
                    return found
                place = found.next
            return LogMatches(name=name, lines=[], next=-1)

        self._link.ask(job, partial(self._found, name, what, is_backward))

    def _found(
        self,
        name: str,
        what: str,
        is_backward: bool,
        value: object,
        error: TenError | None,
    ) -> None:
        if error is not None:
            self._say(f"search: {error}", Ink.BAD)
            return
        if not isinstance(value, LogMatches) or name != self._logs.query.name:
            return
        if not value.lines:
            where = "above" if is_backward else "below"
            self._say(f"no {what} {where}", Ink.WARN)
            return
        number = value.lines[0].number
        self._logs.match = number
        self._say(f"{what} at line {fmt.count(number)}", Ink.OK)
        self._fetch(self._logs.go_to(number, self.height))
        self._after()

    # --- taking lines away ---

    def mark(self) -> None:
        """Begin a marked stretch at the cursor, or end it."""
        self._pause()
        logs = self._logs
        logs.mark = logs.cursor if logs.mark < 0 else -1
        self._after()

    def marked_lines(self) -> list[LogLine]:
        """Give the marked lines, or the one under the cursor, or all in view while following."""
        first, last = self._logs.stretch()
        if last < 0:
            first, last = self._stage.log_in_view()
        return [line for line in self._logs.held if first <= line.number <= last]

    def save(self, path: str) -> None:
        """Write the marked lines to a file, or all that are held."""
        lines = self.marked_lines() if self._logs.mark >= 0 else self._logs.held
        target = Path(path).expanduser()
        try:
            write_private(target, as_text(lines))
        except OSError as error:
            self._say(f"not saved: {error}", Ink.BAD)
            return
        self._say(f"{fmt.plural(len(lines), 'line')} written to {target}", Ink.OK)


def as_text(lines: list[LogLine]) -> str:
    """Write lines as plain text."""
    return "".join(f"{line.text}\n" for line in lines)
