"""Stands before every route: finds the caller's credential, or answers in the route's place."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

from engine.core.caddy import ASK_PATH
from engine.core.errors import Refused
from engine.daemon.api.ratelimit import BadTokens, is_loopback
from engine.daemon.api.replies import Fault, describe, error

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from engine.daemon.auth import Auth, Credential
    from engine.daemon.control import Control

PEER_HEADER = "x-ten-peer"
"""The client's address; the door sets it and removes what clients send in its place."""

_PUBLIC = frozenset({"/", "/health"})
_PUBLIC_ON_HOST = frozenset({"/metrics", "/api/telemetry"})
_CREDENTIAL = "ten.credential"


class Guard:
    """ASGI middleware. Who is not let in learns nothing, not even whether a path exists."""

    def __init__(self, app: ASGIApp, *, control: Control, auth: Auth, is_local: bool) -> None:
        """Guard an application.

        Args:
            app: What is guarded.
            control: For the settings in force.
            auth: Who may do what.
            is_local: The callers connect to the Unix socket themselves, so that the kernel says
                who they are; otherwise the door connects for them and they bring tokens.
        """
        self._app = app
        self._control = control
        self._auth = auth
        self._is_local = is_local
        self._bad = BadTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass with its credential, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            found = self._admit_local(scope) if self._is_local else self._admit_remote(scope)
        except Fault as fault:
            await fault.response(scope, receive, send)
            return
        scope[_CREDENTIAL] = found
        await self._app(scope, receive, send)

    def _admit_local(self, scope: Scope) -> Credential:
        group = self._control.config.settings.admin_group
        try:
            found = self._auth.admit(scope["state"].get("peer"), group)
        except Refused as failure:
            raise Fault(describe(failure, HTTPStatus.FORBIDDEN)) from failure
        token = _bearer(scope)
        # A token narrows what a local caller may do: for trying it out, and for read-only views.
        return found if token is None else self._check(token, f"uid {found.name}")

    def _admit_remote(self, scope: Scope) -> Credential | None:
        source = Headers(scope=scope).get(PEER_HEADER, "")
        token = _bearer(scope)
        if scope["path"] in _PUBLIC or (token is None and self._is_open(scope["path"], source)):
            return None
        if token is None:
            raise Fault(Response(status_code=HTTPStatus.UNAUTHORIZED))
        return self._check(token, source)

    def _is_open(self, path: str, source: str) -> bool:
        if path == ASK_PATH:
            return is_loopback(source)
        if path not in _PUBLIC_ON_HOST:
            return False
        return self._control.config.settings.public_metrics or is_loopback(source)

    def _check(self, token: str, source: str) -> Credential:
        found = self._auth.verify(token)
        if found is not None:
            self._bad.forgive(source)
            return found
        if self._bad.is_refused(source, time.monotonic()):
            raise Fault(Response(status_code=HTTPStatus.TOO_MANY_REQUESTS))
        raise Fault(Response(status_code=HTTPStatus.UNAUTHORIZED))


def _bearer(scope: Scope) -> str | None:
    """Give the token a request brings, None where it brings none."""
    header = Headers(scope=scope).get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def credential(request: Request) -> Credential:
    """Give the caller's credential on a route that nobody enters without one."""
    found: Credential | None = request.scope[_CREDENTIAL]
    if found is None:
        raise Fault(Response(status_code=HTTPStatus.UNAUTHORIZED))
    return found


def credential_or_public(request: Request) -> Credential | None:
    """Give the caller's credential, None on a route that was open to it without one."""
    found: Credential | None = request.scope[_CREDENTIAL]
    return found


def may_write(request: Request) -> Credential:
    """Give the credential of a caller that may change something.

    Raises:
        Fault: 403, it is read-only.
    """
    found = credential(request)
    if found.is_read_only:
        raise Fault(error(HTTPStatus.FORBIDDEN, "This token is read-only"))
    return found


def must_reach(found: Credential, ident: str) -> None:
    """Refuse an instance that is not a tenant's own.

    Raises:
        Fault: 403.
    """
    if not found.reaches(ident):
        text = f"Tenant token can only access instance '{found.tenant}'"
        raise Fault(error(HTTPStatus.FORBIDDEN, text))


def must_be_admin(found: Credential, text: str) -> None:
    """Refuse a tenant.

    Raises:
        Fault: 403 with the text.
    """
    if found.tenant:
        raise Fault(error(HTTPStatus.FORBIDDEN, text))
