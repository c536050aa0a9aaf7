"""`/api/v1/instances/NAME/limits`: an instance's limits, shown, set and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from engine.daemon.api.guard import may_write, must_be_admin
from engine.daemon.api.instances import path_name
from engine.daemon.api.replies import read_body, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from engine.daemon.control import Control

_ADMINS_ONLY = "Limits require admin token"


class Limits:
    """The routes, over one engine. A tenant may look at its own limits, and not move them."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        one = "/api/v1/instances/{name}/limits"
        return [
            Route(one, self.show, methods=["GET"]),
            Route(one, self.set, methods=["PATCH"]),
            Route(one, self.reset, methods=["DELETE"]),
        ]

    async def show(self, request: Request) -> Response:
        """Give all limits."""
        return reply(self._control.limits(path_name(request)))

    async def set(self, request: Request) -> Response:
        """Set some; an empty text takes one back to the configuration."""
        found = may_write(request)
        must_be_admin(found, _ADMINS_ONLY)
        name = path_name(request, found)
        body = await read_body(request, dict[str, str | int | bool])
        texts = {key: _text(value) for key, value in body.items()}
        return reply(await self._control.set_limits(name, texts, actor=found.name))

    async def reset(self, request: Request) -> Response:
        """Take all that were set back to the configuration."""
        found = may_write(request)
        must_be_admin(found, _ADMINS_ONLY)
        name = path_name(request, found)
        return reply(await self._control.reset_limits(name, actor=found.name))


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
