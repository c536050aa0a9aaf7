"""`/api/v1`, the engine's own routes: its state, the stream of what changes, undo, reload."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.core.sanitize import sanitize
from engine.core.wire import ConsoleView, Ping
from engine.core.wire_series import Metrics
from engine.daemon.api.guard import credential, may_write, must_be_admin
from engine.daemon.api.instances import path_name
from engine.daemon.api.replies import read_query, reply
from engine.daemon.api.scope import (
    scoped,
    scoped_config,
    scoped_consoles,
    scoped_engine,
    scoped_events,
)
from engine.daemon.clock import wall
from engine.daemon.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from engine.core.wire import Update
    from engine.daemon.auth import Credential
    from engine.daemon.control import Control, Subscription

PING_SECONDS = 5.0
_LAST_WORDS_SECONDS = 0.02
MAX_EVENTS = 1000
MAX_SAMPLES = 900

_encoder = msgspec.json.Encoder()


class EventsQuery(msgspec.Struct):
    """GET /api/v1/events."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENTS)] = 200


class StreamQuery(msgspec.Struct):
    """GET /api/v1/stream."""

    place: Annotated[str, msgspec.Meta(max_length=60)] = ""


class MetricsQuery(msgspec.Struct):
    """GET /api/v1/metrics/NAME."""

    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_SAMPLES)] = MAX_SAMPLES


class Live:
    """The routes, over one engine."""

    def __init__(self, control: Control, closing: asyncio.Event) -> None:
        """Take the engine, and the event that ends streams when the engine goes."""
        self._control = control
        self._closing = closing

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/v1/engine", self.engine, methods=["GET"]),
            Route("/api/v1/snapshot", self.snapshot, methods=["GET"]),
            Route("/api/v1/stream", self.stream, methods=["GET"]),
            Route("/api/v1/consoles", self.consoles, methods=["GET"]),
            Route("/api/v1/instances", self.instances, methods=["GET"]),
            Route("/api/v1/instances/{name}/undo", self.undo, methods=["POST"]),
            Route("/api/v1/metrics/{name}", self.metrics, methods=["GET"]),
            Route("/api/v1/events", self.events, methods=["GET"]),
            Route("/api/v1/config", self.config, methods=["GET"]),
            Route("/api/v1/config/reload", self.reload, methods=["POST"]),
        ]

    async def engine(self, request: Request) -> Response:
        """Describe the engine."""
        return reply(scoped_engine(credential(request), self._control.engine_view()))

    async def snapshot(self, request: Request) -> Response:
        """Give the whole state once."""
        return reply(scoped(credential(request), self._control.snapshot()))

    async def stream(self, request: Request) -> Response:
        """Give the whole state, then every change, one record a line."""
        found = credential(request)
        place = read_query(request, StreamQuery).place
        console = ConsoleView(who=found.name, place=sanitize(place), since=wall())
        subscription = self._control.subscribe(console)
        return StreamingResponse(
            self._lines(subscription, found), media_type="application/x-ndjson"
        )

    async def _lines(self, subscription: Subscription, found: Credential) -> AsyncIterator[bytes]:
        closing = spawn(self._closing.wait(), name="stream closing")
        update = spawn(_next(subscription), name="stream update")
        ping_at = time.monotonic() + PING_SECONDS
        try:
            while True:
                rest = max(0.0, ping_at - time.monotonic())
                if closing.done():
                    # What has happened by now is still told.
                    await asyncio.wait({update}, timeout=_LAST_WORDS_SECONDS)
                    if not update.done():
                        return
                else:
                    await asyncio.wait(
                        {update, closing}, timeout=rest, return_when=asyncio.FIRST_COMPLETED
                    )
                if update.done():
                    value = update.result()
                    if value is None:
                        return
                    update = spawn(_next(subscription), name="stream update")
                    if (own := scoped(found, value)) is not None:
                        yield _encoder.encode(own) + b"\n"
                if time.monotonic() >= ping_at:
                    ping_at = time.monotonic() + PING_SECONDS
                    yield _encoder.encode(Ping(time=wall())) + b"\n"
        finally:
            subscription.close()
            update.cancel()
            closing.cancel()

    async def consoles(self, request: Request) -> Response:
        """List who is attached; a tenant learns only that it is itself."""
        return reply(list(scoped_consoles(credential(request), self._control.consoles())))

    async def instances(self, request: Request) -> Response:
        """List every instance that is known, running or not."""
        found = credential(request)
        return reply([view for view in self._control.instances() if found.reaches(view.id)])

    async def undo(self, request: Request) -> Response:
        """Take back the last reversible act."""
        found = may_write(request)
        name = path_name(request, found)
        return reply({"undone": await self._control.undo(name, actor=found.name)})

    async def metrics(self, request: Request) -> Response:
        """Give the samples kept of one instance."""
        name = path_name(request)
        seconds = read_query(request, MetricsQuery).seconds
        self._control.instance(name)
        return reply(Metrics(name=name, samples=self._control.samples(name, seconds)))

    async def events(self, request: Request) -> Response:
        """Give events past one, oldest first."""
        query = read_query(request, EventsQuery)
        events = self._control.events(query.after, query.limit)
        return reply(scoped_events(credential(request), events))

    async def config(self, request: Request) -> Response:
        """Give the configuration in force and the one refused."""
        return reply(scoped_config(credential(request), self._control.config_view()))

    async def reload(self, request: Request) -> Response:
        """Read the file again now."""
        found = may_write(request)
        must_be_admin(found, "Reload requires admin token")
        return reply(await self._control.reload(actor=found.name))


async def _next(subscription: Subscription) -> Update | None:
    """Wait for an update; None once the subscription was closed."""
    try:
        return await subscription.get()
    except ConnectionError:
        return None
