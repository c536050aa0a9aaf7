"""`/api/rollouts`: begin a rollout, look at it, steer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.routing import Route

from engine.core.errors import NotFound, Refused
from engine.core.rollout import Order
from engine.daemon.api.guard import credential, may_write, must_be_admin
from engine.daemon.api.replies import read_body, read_query, reply
from engine.daemon.rollout_sight import compare

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from engine.daemon.auth import Credential
    from engine.daemon.control import Control
    from engine.daemon.rollouts import Rollouts

_ADMINS_ONLY = "Rollouts require admin token"


class RolloutBody(msgspec.Struct):
    """POST /api/rollouts; what is not said is as the service's `deploy` table has it."""

    service: str
    version: str
    strategy: str | None = None
    steps: str | list[int] | None = None
    pause: str | float | None = None
    window: str | float | None = None
    max_errors: str | float | None = None
    max_p95: str | float | None = None
    min_requests: str | int | None = None

    def values(self) -> dict[str, object]:
        """Give what is said, by the keys of `[service.NAME.deploy]`."""
        found = msgspec.structs.asdict(self)
        return {
            key: value
            for key, value in found.items()
            if value is not None and key not in {"service", "version"}
        }


class DifferenceQuery(msgspec.Struct):
    """GET .../difference; ids, by default those of the last rollout."""

    old: str = ""
    new: str = ""


class RolloutRoutes:
    """The routes, over one engine. Whoever reaches all instances may look, an admin may act."""

    def __init__(self, control: Control, rollouts: Rollouts) -> None:
        """Take the engine and its rollouts."""
        self._control = control
        self._rollouts = rollouts

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/rollouts", self.list, methods=["GET"]),
            Route("/api/rollouts", self.start, methods=["POST"]),
            Route("/api/rollouts/{service}", self.show, methods=["GET"]),
            Route("/api/rollouts/{service}/plan", self.plan, methods=["GET"]),
            Route("/api/rollouts/{service}/difference", self.difference, methods=["GET"]),
            Route("/api/rollouts/{service}/{what}", self.order, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Give the last rollout of each service."""
        must_be_admin(credential(request), _ADMINS_ONLY)
        return reply(self._rollouts.views())

    async def show(self, request: Request) -> Response:
        """Give the last rollout of a service."""
        must_be_admin(credential(request), _ADMINS_ONLY)
        return reply(self._rollouts.view(request.path_params["service"]))

    async def plan(self, request: Request) -> Response:
        """Give how a service's versions are rolled out where nothing else is said."""
        must_be_admin(credential(request), _ADMINS_ONLY)
        service = request.path_params["service"]
        spec = self._control.config.services.get(service)
        if spec is None:
            message = f"Unknown process: {service}"
            raise NotFound(message, hint="ten config lists the services there are")
        return reply(spec.deploy)

    async def difference(self, request: Request) -> Response:
        """Compare two versions: what they were deployed with, and the errors they write."""
        must_be_admin(credential(request), _ADMINS_ONLY)
        query = read_query(request, DifferenceQuery)
        service = request.path_params["service"]
        sides, since = self._rollouts.compared(service, query.old, query.new)
        return reply(await compare(self._control, *sides, since))

    async def start(self, request: Request) -> Response:
        """Begin one; the file is read again first, as it may have just been saved."""
        found = _writer(request)
        body = await read_body(request, RolloutBody)
        view = await self._control.reload(actor=found.name)
        if view.error:
            message = f"the configuration on disk is refused, so none is recorded: {view.error}"
            raise Refused(message, hint="ten config shows where")
        return reply(
            self._rollouts.start(body.service, body.version, body.values(), actor=found.name)
        )

    async def order(self, request: Request) -> Response:
        """Steer one."""
        found = _writer(request)
        word = request.path_params["what"]
        try:
            what = Order(word)
        except ValueError:
            message = f"no such order: {word}; there are {', '.join(Order)}"
            raise NotFound(message) from None
        return reply(self._rollouts.order(request.path_params["service"], what, actor=found.name))


def _writer(request: Request) -> Credential:
    found = may_write(request)
    must_be_admin(found, _ADMINS_ONLY)
    return found
