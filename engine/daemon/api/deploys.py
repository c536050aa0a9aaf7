"""The peer's routes for versions: deploy one beside the others, swap the traffic of two."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.routing import Route

from engine.core.errors import NotFound, Refused, TenError
from engine.core.names import instance_name, is_label
from engine.core.wire import State
from engine.daemon.api.guard import may_write, must_be_admin
from engine.daemon.api.instances import Weight, is_listed, socket_path, spawnable_name
from engine.daemon.api.replies import Fault, describe, error, read_body, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from engine.core.wire import InstanceView
    from engine.daemon.control import Control
    from engine.daemon.rollouts import Rollouts
    from engine.daemon.versions import Versions

_POLL_SECONDS = 0.05
MAX_TIMEOUT_SECONDS = 3600


class DeployBody(msgspec.Struct):
    """POST /api/deploy."""

    process: str
    version: str
    weight: Weight = 100
    timeout: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMEOUT_SECONDS)] = 30


class RouteBody(msgspec.Struct):
    """POST /api/route."""

    process: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class Deploys:
    """The routes, over one engine."""

    def __init__(
        self,
        control: Control,
        rollouts: Rollouts | None = None,
        versions: Versions | None = None,
    ) -> None:
        """Take the engine, whose rollouts must not be disturbed, and where versions are kept."""
        self._control = control
        self._rollouts = rollouts
        self._versions = versions

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/deploy", self.deploy, methods=["POST"]),
            Route("/api/route", self.route, methods=["POST"]),
        ]

    async def deploy(self, request: Request) -> Response:
        """Start a version, wait until it is healthy, give it its weight.

        It gets no traffic before: an instance that is not healthy yet is out of the rotation. One
        that ran before keeps running when the wait fails; one started here is stopped again.
        """
        found = may_write(request)
        must_be_admin(found, "Deploy requires admin token")
        body = await read_body(request, DeployBody)
        name = spawnable_name(self._control, body.process, body.version)
        ran_before = self._runs(name)
        self._record(body.process, body.version)
        try:
            await self._control.spawn(name, actor=found.name)
            view = await self._healthy(name, body.timeout)
            view = self._control.set_weight(name, body.weight, actor=found.name)
        except TenError as failure:
            if not ran_before and self._runs(name):
                await self._control.stop(name, actor=found.name)
            return describe(failure, HTTPStatus.INTERNAL_SERVER_ERROR)
        return reply(
            {
                "instance": name,
                "socket": socket_path(self._control, view),
                "weight": body.weight,
                "status": "healthy",
            }
        )

    def _record(self, service: str, version: str) -> None:
        """Record what the version is deployed with.

        Raises:
            Refused: A rollout is under way, or it runs with something else.
        """
        if self._rollouts is not None:
            self._rollouts.check_free(service)
        if self._versions is not None:
            self._versions.record_current(service, version)

    def _runs(self, name: str) -> bool:
        try:
            return is_listed(self._control.instance(name))
        except NotFound:
            return False

    async def _healthy(self, name: str, timeout_seconds: int) -> InstanceView:
        """Wait until an instance is healthy.

        Raises:
            Refused: It failed, was stopped, or took too long.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            view = self._control.instance(name)
            if view.state is State.HEALTHY:
                return view
            reason = f": {view.why.summary}" if view.why is not None else ""
            if view.state in {State.FAILED, State.STOPPED}:
                message = f"Deploy of {name} failed{reason}"
                raise Refused(message)
            if time.monotonic() >= deadline:
                message = f"Instance {name} not healthy after {timeout_seconds}s{reason}"
                raise Refused(message)
            await asyncio.sleep(_POLL_SECONDS)

    async def route(self, request: Request) -> Response:
        """Give one version all the traffic and another none, in one turn of the loop."""
        found = may_write(request)
        must_be_admin(found, "Route swap requires admin token")
        body = await read_body(request, RouteBody)
        source = self._known(body.process, body.source)
        target = self._known(body.process, body.target)
        if self._rollouts is not None:
            self._rollouts.check_free(body.process)
        self._control.set_weight(target, 100, actor=found.name)
        if source != target:
            self._control.set_weight(source, 0, actor=found.name)
        return reply(
            {
                "from_instance": source,
                "to_instance": target,
                "from_weight": 100 if source == target else 0,
                "to_weight": 100,
            }
        )

    def _known(self, process: str, ident: str) -> str:
        if is_label(process) and is_label(ident):
            name = instance_name(process, ident)
            if self._runs(name):
                return name
        raise Fault(
            error(HTTPStatus.INTERNAL_SERVER_ERROR, f"Instance {process}:{ident} not found")
        )
