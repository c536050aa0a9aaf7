"""Routes that look below the surface: one instance, and the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from engine.daemon.api.guard import credential, must_be_admin
from engine.daemon.api.instances import path_name
from engine.daemon.api.replies import reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from engine.daemon.control import Control

_ADMINS = "Looking at the host requires admin token"
"""A plan and a report name paths of the host."""


class Inspecting:
    """The routes, over one engine."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/api/instances/{name}/inspect", self.inspect, methods=["GET"]),
            Route("/api/doctor", self.doctor, methods=["GET"]),
        ]

    async def inspect(self, request: Request) -> Response:
        """Give the plan of an instance, and what its process really has."""
        found = credential(request)
        must_be_admin(found, _ADMINS)
        return reply(await self._control.inspect(path_name(request, found)))

    async def doctor(self, request: Request) -> Response:
        """Tell what this host can and cannot do."""
        must_be_admin(credential(request), _ADMINS)
        return reply(await self._control.examine())
