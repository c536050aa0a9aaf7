"""The peer's routes for instances: list, spawn, stop, restart, weight, health, storage."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from engine.core.errors import NotFound, TenError
from engine.core.names import instance_name, is_label
from engine.core.nearest import did_you_mean
from engine.core.wire import InstanceView, State
from engine.daemon.api.guard import credential, may_write, must_reach
from engine.daemon.api.replies import Fault, describe, error, read_body, read_query, reply
from engine.daemon.clock import wall

if TYPE_CHECKING:
    from starlette.requests import Request

    from engine.daemon.auth import Credential
    from engine.daemon.control import Control

HEALTH = {
    State.STARTING: "unknown",
    State.HEALTHY: "healthy",
    State.DEGRADED: "degraded",
    State.UNHEALTHY: "unhealthy",
    State.BACKOFF: "unhealthy",
    State.FAILED: "failed",
    State.DRAINING: "unknown",
    State.STOPPED: "unknown",
    State.ASLEEP: "unknown",
    State.FROZEN: "healthy",
}
"""The peer's word for each state."""

_NOT_RUNNING = frozenset({State.STOPPED, State.ASLEEP})
MAX_HOLD_SECONDS = 60.0

Weight = Annotated[int, msgspec.Meta(ge=0, le=255)]


class SpawnBody(msgspec.Struct):
    """POST /api/instances/spawn."""

    process: str
    id: str


class WeightBody(msgspec.Struct):
    """PUT /api/instances/PID/weight."""

    weight: Weight


class StopQuery(msgspec.Struct):
    """DELETE /api/instances/PID?hold=SECONDS."""

    hold: Annotated[float, msgspec.Meta(ge=0.0, le=MAX_HOLD_SECONDS)] = 0.0


def is_listed(view: InstanceView) -> bool:
    """Tell whether the peer would list it: it runs, or is on its way to."""
    return view.state not in _NOT_RUNNING


def uptime_seconds(view: InstanceView, now: float) -> int:
    """Give its age in whole seconds."""
    return max(0, int(now - view.started_at)) if view.started_at else 0


def idle_seconds(view: InstanceView, now: float) -> int:
    """Give the whole seconds since its last request, or since its start."""
    return max(0, int(now - max(view.activity_at, view.started_at))) if view.started_at else 0


def quota(view: InstanceView) -> int | None:
    """Give its storage quota, None where there is none."""
    return view.storage_quota_bytes or None


def path_name(request: Request, found: Credential | None = None) -> str:
    """Take the instance from the path, checked and within the caller's reach.

    Raises:
        Fault: 400, it is no `process:id`; 403, it is another tenant's.
    """
    text = str(request.path_params["name"])
    service, colon, ident = text.partition(":")
    if not colon or not is_label(service) or not is_label(ident):
        message = f"Invalid instance ID '{text}'. Expected format: process:id"
        raise Fault(error(HTTPStatus.BAD_REQUEST, message))
    must_reach(found or credential(request), ident)
    return instance_name(service, ident)


def spawnable_name(control: Control, process: str, ident: str) -> str:
    """Check the name of an instance to be started.

    Raises:
        Fault: 500, as the peer answers every failed spawn.
    """
    if process not in control.config.services:
        raise Fault(error(HTTPStatus.INTERNAL_SERVER_ERROR, f"Unknown process: {process}"))
    if not is_label(ident):
        message = f"Invalid instance ID '{ident}': 1 to 63 letters, digits, - and _ make a name"
        raise Fault(error(HTTPStatus.INTERNAL_SERVER_ERROR, message))
    return instance_name(process, ident)


def socket_path(control: Control, view: InstanceView) -> str:
    """Give the path the instance finds in SOCKET_PATH."""
    spec = control.config.services.get(view.service)
    if spec is None:
        return ""
    return spec.socket.replace("{name}", view.service).replace("{id}", view.id)


class Instances:
    """The routes, over one engine."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        one = "/api/instances/{name}"
        return [
            Route("/api/instances", self.running, methods=["GET"]),
            Route("/api/instances/spawn", self.spawn, methods=["POST"]),
            Route(one, self.stop, methods=["DELETE"]),
            Route(f"{one}/restart", self.restart, methods=["POST"]),
            Route(f"{one}/weight", self.weight, methods=["PUT"]),
            Route(f"{one}/health", self.health, methods=["GET"]),
            Route(f"{one}/storage", self.storage, methods=["GET"]),
        ]

    async def running(self, request: Request) -> Response:
        """List what runs."""
        found, now = credential(request), wall()
        return reply(
            [
                {
                    "id": view.name,
                    "socket": view.address,
                    "uptime_secs": uptime_seconds(view, now),
                    "idle_secs": idle_seconds(view, now),
                    "restarts": view.restarts,
                    "health": HEALTH[view.state],
                    "storage_used_bytes": view.storage_used_bytes,
                    "storage_quota_bytes": quota(view),
                    "weight": view.weight,
                    "state": view.state,
                }
                for view in self._control.instances()
                if is_listed(view) and found.reaches(view.id)
            ]
        )

    async def spawn(self, request: Request) -> Response:
        """Start one; one that runs is answered alike."""
        found = may_write(request)
        body = await read_body(request, SpawnBody)
        must_reach(found, body.id)
        name = spawnable_name(self._control, body.process, body.id)
        try:
            view = await self._control.spawn(name, actor=found.name)
        except TenError as failure:
            return describe(failure, HTTPStatus.INTERNAL_SERVER_ERROR)
        return self._spawned(view)

    async def stop(self, request: Request) -> Response:
        """Stop one; with a hold it can be undone for that many seconds."""
        found = may_write(request)
        name = path_name(request, found)
        query = read_query(request, StopQuery)
        try:
            if self._control.instance(name).state is State.STOPPED:
                return _unknown(name)
            await self._control.stop(name, actor=found.name, hold_seconds=query.hold)
        except NotFound:
            return self._not_known(name, found)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def restart(self, request: Request) -> Response:
        """Stop it if it runs, and start it; one that was never known is not made by this."""
        found = may_write(request)
        name = path_name(request, found)
        service, _, ident = name.partition(":")
        spawnable_name(self._control, service, ident)
        try:
            self._control.instance(name)
        except NotFound:
            return self._not_known(name, found)
        try:
            view = await self._control.restart(name, actor=found.name)
        except TenError as failure:
            return describe(failure, HTTPStatus.INTERNAL_SERVER_ERROR)
        return self._spawned(view)

    def _not_known(self, name: str, found: Credential) -> Response:
        """Answer 404 with the nearest name the caller may know of, and what makes one."""
        known = [view.name for view in self._control.instances() if found.reaches(view.id)]
        advice = did_you_mean(name, known) or f"ten spawn {name} makes it"
        body = {"error": f"Instance not found: {name}; {advice}", "kind": "not_found"}
        return reply(body, HTTPStatus.NOT_FOUND)

    async def weight(self, request: Request) -> Response:
        """Set its share of the traffic; the answer echoes what was asked, at most 100 is kept."""
        found = may_write(request)
        name = path_name(request, found)
        body = await read_body(request, WeightBody)
        try:
            self._control.set_weight(name, body.weight, actor=found.name)
        except NotFound:
            return _unknown(name)
        return reply({"instance": name, "weight": body.weight})

    async def health(self, request: Request) -> Response:
        """Probe it now."""
        name = path_name(request)
        return reply({"instance": name, "health": await self._control.check_health(name)})

    async def storage(self, request: Request) -> Response:
        """Tell what its data directory holds."""
        name = path_name(request)
        try:
            view = self._control.instance(name)
            used = self._control.storage_used(name)
        except NotFound:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        allowed = quota(view)
        return reply(
            {
                "used_bytes": used,
                "quota_bytes": allowed,
                "usage_percent": used * 100.0 / allowed if allowed else None,
                "path": f"{self._control.config.settings.data_dir}/{view.service}/{view.id}",
            }
        )

    def _spawned(self, view: InstanceView) -> Response:
        return reply(
            {
                "instance": view.name,
                "socket": socket_path(self._control, view),
                "port": view.port or None,
                "address": view.address,
            }
        )


def _unknown(name: str) -> Response:
    return reply(
        {"error": f"Instance not found: {name}", "kind": "not_found"}, HTTPStatus.NOT_FOUND
    )
