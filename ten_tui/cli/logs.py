"""`ten logs`: what instances wrote, and with -f what they write."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from engine.core.errors import EngineUnreachable, NotFound, TenError
from engine.core.names import split_instance
from engine.core.nearest import did_you_mean
from engine.core.sanitize import sanitize
from ten_tui.cli.main import client_of
from ten_tui.client.records import LogCursors, LogGap, LogRecord

if TYPE_CHECKING:
    import argparse

    from ten_tui.client import Client

RETRY_SECONDS = 10.0
"""How long a follower waits for an engine that went away to come back."""

_RETRY_PAUSE_SECONDS = 0.2
_BATCH = 1000
_MARKS = {"stdout": "OUT", "stderr": "ERR", "access": "REQ"}


def shown(text: str, *, is_raw: bool) -> str:
    """Give the text to print: harmless wherever it may be shown later, or as it is."""
    return text if is_raw else sanitize(text)


def line_of(record: LogRecord) -> str:
    """Lay out a line."""
    mark = _MARKS.get(record.level, record.level)
    return f"[{mark}] {record.process}:{record.instance_id} {record.message}"


def clock_of(record: LogRecord) -> str:
    """Give its time of day in UTC."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC).strftime("%H:%M:%S")


def logs(options: argparse.Namespace) -> int:
    """Print the newest lines, or follow."""
    process, ident = split_instance(options.instance) if options.instance else ("", "")
    level = "access" if options.access else options.level
    with client_of(options) as client:
        if options.follow:
            follower = Follower(client, process, ident, level, is_raw=options.raw)
            follower.history = options.limit
            follower.run()
        records = client.logs(
            process=process,
            ident=ident,
            level=level,
            search=options.search,
            limit=options.limit,
        )
        if options.instance and not records:
            _check_known(client, options.instance)
    for record in records:
        print(shown(f"{clock_of(record)} {line_of(record)}", is_raw=options.raw))
    return 0


def _check_known(client: Client, name: str) -> None:
    """Keep a name that nobody has from looking like a quiet program's.

    Raises:
        NotFound: There is neither such an instance nor a ring of one.
    """
    try:
        known = {*client.log_names(), *(view.name for view in client.instances())}
    except EngineUnreachable:
        raise
    except TenError:  # the peer's server does not tell
        return
    if name not in known:
        hint = did_you_mean(name, known) or "ten ps --all lists the instances there are"
        raise NotFound(f"Instance not found: {name}", hint=hint)


class Follower:
    """Prints lines as they come, each once, also over an engine's death and return.

    The stream tells where it begins in each ring. What was missed between two streams is read
    from the rings by number.
    """

    def __init__(
        self, client: Client, process: str, ident: str, level: str, *, is_raw: bool = False
    ) -> None:
        """Take what to follow; `history` is how many of the newest lines come first."""
        self._client = client
        self._process = process
        self._ident = ident
        self._level = level
        self._is_raw = is_raw
        self.history = 0
        self._printed: dict[str, int] = {}
        self._next: dict[str, int] | None = None
        self._is_streaming = False

    def run(self) -> None:
        """Follow until the server is lost for good.

        Raises:
            EngineUnreachable: It was lost, and did not come back in time.
        """
        lost_at: float | None = None
        while True:
            try:
                self._follow()
                message = f"The server at {self._client.endpoint.where} ended the stream"
                raise EngineUnreachable(message)
            except EngineUnreachable:
                now = time.monotonic()
                if self._is_streaming or lost_at is None:
                    lost_at = now
                # Without numbers nobody could tell what was missed.
                if self._next is None or now - lost_at > RETRY_SECONDS:
                    raise
                if self._is_streaming and sys.stderr.isatty():
                    print("... the engine is away, waiting for it", file=sys.stderr)
                self._is_streaming = False
            time.sleep(_RETRY_PAUSE_SECONDS)

    def _follow(self) -> None:
        self._is_streaming = False
        stream = self._client.logs_stream(
            process=self._process, ident=self._ident, level=self._level
        )
        self._is_streaming = True
        self._show_history()
        for batch in stream:
            for found in batch:
                self._take(found)
            sys.stdout.flush()

    def _show_history(self) -> None:
        """Print the newest lines once. The stream is open by now: nothing falls between."""
        limit, self.history = self.history, 0
        if not limit:
            return
        for record in self._client.logs(
            process=self._process, ident=self._ident, level=self._level, limit=limit
        ):
            self._print(record)
            if record.number >= 0:
                self._printed[f"{record.process}:{record.instance_id}"] = record.number
        sys.stdout.flush()

    def _take(self, found: LogRecord | LogCursors | LogGap) -> None:
        match found:
            case LogRecord():
                # What came between the stream's opening and the history is in both.
                name = f"{found.process}:{found.instance_id}"
                if found.number < 0 or found.number > self._printed.get(name, -1):
                    self._print(found)
            case LogCursors(ends=ends):
                self._catch_up(ends)
            case LogGap(name=name, count=count):
                self._say_lost(name, count)
            case _:
                assert_never(found)

    def _catch_up(self, ends: dict[str, int]) -> None:
        """Print what came between the last stream and this one."""
        if self._next is not None:
            for name, end in ends.items():
                self._read(name, self._next.get(name, 0), end)
        self._next = dict(ends)

    def _read(self, name: str, first: int, end: int) -> None:
        service, _, ident = name.partition(":")
        while first < end:
            try:
                window = self._client.log_window(name, first=first, count=min(_BATCH, end - first))
            except NotFound:
                return
            if window.oldest > first:
                self._say_lost(name, min(window.oldest, end) - first)
                first = window.oldest
                continue
            lines = [line for line in window.lines if first <= line.number < end]
            if not lines:
                return
            for line in lines:
                if self._level not in _MARKS or line.stream == self._level:
                    stamp = line.time_ns // 1_000_000
                    self._print(
                        LogRecord(stamp, line.stream, service, ident, line.text, line.number)
                    )
            first = lines[-1].number + 1

    def _print(self, record: LogRecord) -> None:
        print(shown(line_of(record), is_raw=self._is_raw))
        if self._next is not None:
            self._next[f"{record.process}:{record.instance_id}"] = record.number + 1

    def _say_lost(self, name: str, count: int) -> None:
        sys.stdout.flush()
        print(f"... {count} lines of {name} were evicted before they were read", file=sys.stderr)
