"""`/api/v1/logs`: windows of an instance's ring, search in it, and its bytes as they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import StreamingResponse
from starlette.routing import Route

from engine.daemon.api.context import MAX_CONTEXT, with_context
from engine.daemon.api.guard import credential
from engine.daemon.api.instances import path_name
from engine.daemon.api.replies import read_query, reply
from engine.daemon.api.scope import reaches

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from engine.core.wire import LogWindow
    from engine.daemon.control import Control

MAX_LINES = 5000
MAX_WAIT_SECONDS = 30.0

Number = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)]
Context = Annotated[int, msgspec.Meta(ge=0, le=MAX_CONTEXT)]
Wait = Annotated[float, msgspec.Meta(ge=0.0, le=MAX_WAIT_SECONDS)]


class WindowQuery(msgspec.Struct, kw_only=True):
    """GET /api/v1/logs/NAME/window.

    Attributes:
        first: Line to begin with; without it the last `count` lines.
        after: Answer once the ring's end is past this number...
        wait: ...or after this many seconds.
        since, until: Nanoseconds since the epoch.
        context: So many lines around each that has the text, whatever they say.
            Of a page from `first` on, `count` counts them too.
    """

    first: Number | None = None
    count: Count = 100
    stream: str = ""
    text: str = ""
    since: Number = 0
    until: Number = 0
    after: Number | None = None
    wait: Wait = 0.0
    context: Context = 0


class SearchQuery(msgspec.Struct, kw_only=True):
    """GET /api/v1/logs/NAME/search."""

    text: str
    first: int = 0
    backward: bool = False
    regex: bool = False
    limit: Count = 1
    context: Context = 0


class Rings:
    """The routes, over one engine."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/v1/logs", self.names, methods=["GET"]),
            Route("/api/v1/logs/{name}/window", self.window, methods=["GET"]),
            Route("/api/v1/logs/{name}/search", self.search, methods=["GET"]),
            Route("/api/v1/logs/{name}/raw", self.raw, methods=["GET"]),
        ]

    async def names(self, request: Request) -> Response:
        """Name every instance that has a ring."""
        found = credential(request)
        return reply([name for name in self._control.log_names() if reaches(found, name)])

    async def window(self, request: Request) -> Response:
        """Read lines, at once or when there are new ones."""
        name = path_name(request)
        query = read_query(request, WindowQuery)
        if query.after is not None and query.wait > 0:
            await self._wait(name, query)
        return reply(await self._read(name, query))

    async def _wait(self, name: str, query: WindowQuery) -> None:
        after = query.after or 0
        deadline = time.monotonic() + query.wait
        # The ring may be past it already, and a filter may let none of the new lines through:
        # the end alone decides, so that the caller learns how far it has got.
        head = await self._control.log_window(name, count=1)
        while head.end <= after and (rest := deadline - time.monotonic()) > 0:
            await self._control.log_wait(name, after, rest)
            head = await self._control.log_window(name, count=1)

    async def _read(self, name: str, query: WindowQuery) -> LogWindow:
        context = query.context if query.text else 0
        # The end of a log is asked for a number of rows; a page goes on where it ended, so that
        # fewer matches leave room for what is around them.
        room = query.count if query.first is None else query.count // (2 * context + 1)
        found = await self._control.log_window(
            name,
            first=query.first,
            count=max(1, room),
            stream=query.stream,
            text=query.text,
            since_ns=query.since,
            until_ns=query.until,
        )
        if not context:
            return found
        lines = await with_context(self._control, name, found.lines, context)
        lines = lines[-query.count :] if query.first is None else lines
        return msgspec.structs.replace(found, lines=lines)

    async def search(self, request: Request) -> Response:
        """Find a text from a line on; answers within a quarter of a second, found or not."""
        name = path_name(request)
        query = read_query(request, SearchQuery)
        found = await self._control.log_search(
            name,
            text=query.text,
            first=query.first,
            is_backward=query.backward,
            is_regex=query.regex,
            limit=query.limit,
        )
        if query.context:
            lines = await with_context(self._control, name, found.lines, query.context)
            found = msgspec.structs.replace(found, lines=lines)
        return reply(found)

    async def raw(self, request: Request) -> Response:
        """Give the bytes as the instance wrote them."""
        name = path_name(request)
        return StreamingResponse(self._control.log_raw(name), media_type="application/octet-stream")
