"""The peer's log routes: a list of lines over all rings, and a stream of new ones."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import StreamingResponse
from starlette.routing import Route

from engine.core.errors import NotFound
from engine.core.ring import STREAMS
from engine.daemon.api.guard import credential
from engine.daemon.api.replies import read_query, reply
from engine.daemon.api.scope import reaches
from engine.daemon.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from engine.core.wire import LogLine
    from engine.daemon.control import Control

MAX_LINES = 10_000
"""Lines of one answer where the request names no limit: what the peer's ring holds."""

COMMENT_SECONDS = 15.0
_BATCH = 500
_NAMES_SECONDS = 0.5
_QUEUED = 8
_LEVELS = frozenset(STREAMS)


class LogsQuery(msgspec.Struct, kw_only=True):
    """GET /api/logs and /api/logs/stream."""

    process: str = ""
    id: str = ""
    level: str = ""
    search: str = ""
    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def stream(self) -> str:
        """Give the stream asked for; an unknown level is none."""
        return self.level if self.level in _LEVELS else ""

    def takes(self, name: str) -> bool:
        """Tell whether an instance is asked for."""
        service, _, ident = name.partition(":")
        return (not self.process or service == self.process) and (not self.id or ident == self.id)


class LogRecord(msgspec.Struct, frozen=True):
    """A line as the peer says it; `timestamp` in milliseconds, and `number` our own."""

    timestamp: int
    level: str
    process: str
    instance_id: str
    message: str
    number: int


def record(name: str, line: LogLine) -> LogRecord:
    """Say a line of a ring in the peer's words."""
    service, _, ident = name.partition(":")
    text = f"{line.text} [{line.cut_bytes} bytes more]" if line.cut_bytes else line.text
    milliseconds = line.time_ns // 1_000_000
    return LogRecord(milliseconds, line.stream, service, ident, text, line.number)


class Logs:
    """The routes, over one engine."""

    def __init__(self, control: Control, closing: asyncio.Event) -> None:
        """Take the engine, and the event that ends streams when the engine goes."""
        self._control = control
        self._closing = closing

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/logs", self.newest, methods=["GET"]),
            Route("/api/logs/stream", self.stream, methods=["GET"]),
        ]

    async def newest(self, request: Request) -> Response:
        """Give the newest lines of all rings asked for, oldest first."""
        found = credential(request)
        query = read_query(request, LogsQuery)
        limit = MAX_LINES if query.limit is None else min(query.limit, MAX_LINES)
        lines: list[tuple[int, str, LogLine]] = []
        if limit:
            for name in self._control.log_names():
                if query.takes(name) and reaches(found, name):
                    lines += await self._newest(name, query, limit)
        lines.sort(key=lambda entry: entry[0])
        return reply([record(name, line) for _, name, line in lines[-limit:]])

    async def _newest(
        self, name: str, query: LogsQuery, limit: int
    ) -> list[tuple[int, str, LogLine]]:
        try:
            window = await self._control.log_window(
                name, count=limit, stream=query.stream(), text=query.search
            )
        except NotFound:
            return []
        return [(line.time_ns, name, line) for line in window.lines if query.search in line.text]

    async def stream(self, request: Request) -> Response:
        """Send lines as they come, as server-sent events; the past is not in it.

        Nothing is lost to a slow reader as long as the ring keeps it. Besides the peer's events
        there are comments: first `: cursors {NAME: number of the next line}`, where each ring
        is begun, so that a reader that lost its connection can read what it missed; and
        `: evicted {"name", "count"}` for lines that were gone before they could be sent.
        """
        found = credential(request)
        query = read_query(request, LogsQuery)
        fan = _Fan(self._control, query, lambda name: reaches(found, name))
        await fan.begin()
        return StreamingResponse(
            fan.events(self._closing),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache"},
        )


class _Fan:
    """Follows every ring asked for, and those that come to be, into one bounded queue.

    Each ring has a task that reads on only when the queue has taken what it read before, so a
    slow reader costs `_QUEUED` batches of memory and no line.
    """

    def __init__(self, control: Control, query: LogsQuery, is_allowed: _Allowed) -> None:
        self._control = control
        self._query = query
        self._is_allowed = is_allowed
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED)
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, int] = {}

    async def begin(self) -> None:
        """Note where each ring ends, so that an answer begun has every line from then on."""
        for name in self._names():
            with contextlib.suppress(NotFound):
                self._ends[name] = (await self._control.log_window(name, count=1)).end

    async def events(self, closing: asyncio.Event) -> AsyncIterator[bytes]:
        """Yield events until the reader goes or the engine does."""
        stop = spawn(closing.wait(), name="log stream closing")
        watch = spawn(self._watch_names(), name="log stream names")
        pending = spawn(self._queue.get(), name="log stream queue")
        quiet_since = time.monotonic()
        try:
            yield b": cursors " + msgspec.json.encode(self._ends) + b"\n\n"
            while not stop.done():
                rest = max(0.0, quiet_since + COMMENT_SECONDS - time.monotonic())
                await asyncio.wait(
                    {stop, pending}, timeout=rest, return_when=asyncio.FIRST_COMPLETED
                )
                if pending.done():
                    yield pending.result()
                    pending = spawn(self._queue.get(), name="log stream queue")
                elif not stop.done():
                    yield b":\n\n"
                quiet_since = time.monotonic()
        finally:
            for task in (stop, watch, pending, *self._followers.values()):
                task.cancel()

    def _names(self) -> list[str]:
        names = self._control.log_names()
        return [name for name in names if self._query.takes(name) and self._is_allowed(name)]

    async def _watch_names(self) -> None:
        while True:
            for name in self._names():
                if name not in self._followers:
                    # A ring that came to be since the beginning is read from its own.
                    first = self._ends.pop(name, 0)
                    self._followers[name] = spawn(
                        self._follow(name, first), name=f"log stream {name}"
                    )
            await asyncio.sleep(_NAMES_SECONDS)

    async def _follow(self, name: str, first: int) -> None:
        try:
            while True:
                first = await self._batch(name, first)
        except NotFound:
            # Removed; one of the same name that comes later is another ring.
            self._followers.pop(name, None)

    async def _batch(self, name: str, first: int) -> int:
        """Pass on lines from `first` on, or wait where there are none; give where to go on."""
        window = await self._control.log_window(name, first=first, count=_BATCH)
        if window.oldest > first:
            lost = msgspec.json.encode({"name": name, "count": window.oldest - first})
            await self._queue.put(b": evicted " + lost + b"\n\n")
            return window.oldest
        lines = [line for line in window.lines if first <= line.number < window.end]
        if not lines:
            await self._control.log_wait(name, first, COMMENT_SECONDS)
            return first
        stream = self._query.stream()
        data = b"".join(
            b"data: " + msgspec.json.encode(record(name, line)) + b"\n\n"
            for line in lines
            if (not stream or line.stream == stream) and self._query.search in line.text
        )
        if data:
            await self._queue.put(data)
        return lines[-1].number + 1


if TYPE_CHECKING:
    from collections.abc import Callable

    _Allowed = Callable[[str], bool]
