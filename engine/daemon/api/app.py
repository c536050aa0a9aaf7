"""The application: every route behind the guard, faults in the peer's form."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from engine.core.errors import TenError
from engine.daemon.api.deploys import Deploys
from engine.daemon.api.guard import Guard
from engine.daemon.api.inspecting import Inspecting
from engine.daemon.api.instances import Instances
from engine.daemon.api.kept import Kept
from engine.daemon.api.limits import Limits
from engine.daemon.api.live import Live
from engine.daemon.api.replies import Fault, describe, plain, reply
from engine.daemon.api.rings import Rings
from engine.daemon.api.rollouts import RolloutRoutes
from engine.daemon.api.sse import Logs
from engine.daemon.api.telemetry import Telemetry

if TYPE_CHECKING:
    from starlette.requests import Request

    from engine.daemon.auth import Auth
    from engine.daemon.control import Control
    from engine.daemon.rollouts import Rollouts
    from engine.daemon.versions import Versions

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ten</title>
<p>This is the engine of <b>ten</b>. It has no page: its console runs in a terminal.
<p>On this host: <code>ten</code>. From elsewhere: the API below <code>/api</code>, with a token.
</html>
"""


def make_app(
    control: Control,
    *,
    auth: Auth,
    is_local: bool,
    rollouts: Rollouts | None = None,
    versions: Versions | None = None,
) -> Starlette:
    """Build the API of an engine.

    Args:
        control: The engine.
        auth: Who may do what.
        is_local: For the Unix socket of this host's users, where the kernel names the caller;
            False for the socket the door connects to, where tokens do.
        rollouts: What it can bring about besides; without it there are no routes for that.
        versions: Where a deploy records what it deploys.

    Returns: An application to be served by `engine.daemon.api.listener.Listener`; setting
        `state.closing` ends its streams.
    """
    closing = asyncio.Event()
    app = Starlette(
        routes=[
            Route("/", _page, methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
            *Instances(control).routes(),
            *Inspecting(control).routes(),
            *Kept(control).routes(),
            *Deploys(control, rollouts, versions).routes(),
            *Logs(control, closing).routes(),
            *Telemetry(control).routes(),
            *Live(control, closing).routes(),
            *Limits(control).routes(),
            *Rings(control).routes(),
            *(RolloutRoutes(control, rollouts).routes() if rollouts is not None else ()),
        ],
        middleware=[Middleware(Guard, control=control, auth=auth, is_local=is_local)],
        exception_handlers={
            Fault: _faulted,
            TenError: _failed,
            HTTPException: _refused,
        },
    )
    app.router.redirect_slashes = False
    app.state.closing = closing
    return app


async def _page(_: Request) -> Response:
    return HTMLResponse(_PAGE)


async def _health(_: Request) -> Response:
    return reply({"status": "ok"})


async def _faulted(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, Fault)  # noqa: S101 - registered for this class only
    return fault.response


async def _failed(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, TenError)  # noqa: S101 - registered for this class only
    return describe(failure)


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HTTPException)  # noqa: S101 - registered for this class only
    match refusal.status_code:
        case HTTPStatus.NOT_FOUND:
            return plain(HTTPStatus.NOT_FOUND, "Not found")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = sorted((refusal.headers or {}).get("Allow", "").split(", "))
            return Response(
                status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ",".join(allowed)}
            )
        case other:
            return plain(other, refusal.detail)
