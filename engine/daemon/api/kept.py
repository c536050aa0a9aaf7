"""Routes to the kept past of the figures."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from engine.core.errors import NotFound, Refused
from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS, KEEP_SECONDS
from engine.core.names import is_label
from engine.core.times import read_time
from engine.daemon.api.guard import credential, may_write, must_be_admin
from engine.daemon.api.instances import path_name
from engine.daemon.api.replies import Fault, describe, read_query, reply
from engine.daemon.clock import wall

if TYPE_CHECKING:
    from starlette.requests import Request

    from engine.daemon.control import Control


MOST_METRICS = 32
"""Answered by one question."""


class KeptQuery(msgspec.Struct):
    """GET /api/instances/NAME/metrics and /api/host/metrics.

    Attributes:
        name: The metric, or several with commas between, answered by a list; "" asks which
            there are.
        since, until: As `engine.core.times` reads them; "" for an hour ago and now.
        step: Seconds a point stands for, at least; 0: as fine as is kept and fits.
    """

    name: str = ""
    since: str = ""
    until: str = ""
    step: Annotated[int, msgspec.Meta(ge=0, le=KEEP_SECONDS)] = 0


class MomentQuery(msgspec.Struct):
    """GET /api/past.

    Attributes:
        at: As `engine.core.times` reads it.
        names: Instances with commas between; "" for all.
    """

    at: str
    names: str = ""


class Kept:
    """The routes, over one engine."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/instances/{name}/metrics", self.instance, methods=["GET"]),
            Route("/api/instances/{name}/metrics", self.purge, methods=["DELETE"]),
            Route("/api/host/metrics", self.host, methods=["GET"]),
            Route("/api/services/{service}/metrics", self.service, methods=["GET"]),
            Route("/api/past", self.past, methods=["GET"]),
            Route("/api/host/metrics", self.purge_host, methods=["DELETE"]),
        ]

    async def instance(self, request: Request) -> Response:
        """Give the past of an instance."""
        found = credential(request)
        name = path_name(request, found)
        query = read_query(request, KeptQuery)
        if not query.name:
            return reply(INSTANCE_METRICS)
        try:
            return await self._answer(name, query)
        except NotFound as failure:
            if found.tenant:  # the nearest name is another tenant's business
                raise NotFound(str(failure)) from None
            raise

    async def host(self, request: Request) -> Response:
        """Give the past of the host."""
        must_be_admin(credential(request), "The host's metrics require admin token")
        query = read_query(request, KeptQuery)
        return await self._answer("host", query) if query.name else reply(HOST_METRICS)

    async def service(self, request: Request) -> Response:
        """Give the past of a service's instances together."""
        must_be_admin(credential(request), "A service's metrics require admin token")
        name = request.path_params["service"]
        if not is_label(name):
            raise NotFound(f"No service can be called {name[:80]!r}")
        query = read_query(request, KeptQuery)
        return await self._answer(name, query) if query.name else reply(INSTANCE_METRICS)

    async def past(self, request: Request) -> Response:
        """Give all figures of one moment."""
        must_be_admin(credential(request), "All instances' metrics require admin token")
        query = read_query(request, MomentQuery)
        names = query.names.split(",") if query.names else []
        try:
            at = read_time(query.at, wall())
        except Refused as failure:
            raise Fault(describe(failure, HTTPStatus.BAD_REQUEST)) from failure
        return reply(await self._control.moment(max(0.0, at), names))

    async def purge(self, request: Request) -> Response:
        """Remove the past of an instance."""
        return await self._purge(request, path_name(request, may_write(request)))

    async def purge_host(self, request: Request) -> Response:
        """Remove the past of the host."""
        return await self._purge(request, "host")

    async def _purge(self, request: Request, name: str) -> Response:
        found = may_write(request)
        must_be_admin(found, "Removing metrics requires admin token")
        await self._control.purge_kept(name, actor=found.name)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _answer(self, name: str, query: KeptQuery) -> Response:
        now = wall()
        try:
            since = read_time(query.since or "1h", now)
            until = read_time(query.until, now) if query.until else now + 1
            found = [
                await self._control.kept(name, metric, since=since, until=until, step=query.step)
                for metric in query.name.split(",")[:MOST_METRICS]
            ]
            return reply(found if "," in query.name else found[0])
        except Refused as failure:
            raise Fault(describe(failure, HTTPStatus.BAD_REQUEST)) from failure
