"""HTTP to the engine, over its Unix socket or TCP, with errors a user can act on."""

from __future__ import annotations

import http.client
import os
import select
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from engine.core.errors import (
    EngineUnreachable,
    FeatureMissing,
    LaunchFailed,
    NotFound,
    Refused,
    TenError,
)
from ten_tui.client.bridge import BridgeConnection, command

if TYPE_CHECKING:
    from ten_tui.client.endpoint import Endpoint

CONNECT_SECONDS = 5.0
_MAX_ERROR_BYTES = 1024 * 1024
_AWAY = frozenset({502, 503, 504})


class ServerError(TenError):
    """The server refused, with a status that no error of the engine stands behind."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        """Keep the status."""
        super().__init__(message, hint=hint)
        self.status = status


class _Problem(msgspec.Struct):
    """The body of an error."""

    error: str
    kind: str = ""
    hint: str = ""
    step: str = ""
    errno: int = 0
    path: str = ""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """Take the socket's path; connects at the first request."""
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeout)
            # Where the path is too long for a socket, a link at it leads to a short one.
            connection.connect(os.path.realpath(self._path))
        except BaseException:
            connection.close()
            raise
        self.sock = connection


class Transport:
    """One kept-alive connection for requests, and one for each stream under way.

    Used by one thread; only `close` may be called from another, and ends what waits.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Take where to connect; nothing is connected yet."""
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()
        self._kept: http.client.HTTPConnection | None = None
        self._is_closed = False
        self._user = 0

    def request(
        self, method: str, path: str, body: object = None, *, timeout_seconds: float
    ) -> bytes:
        """Ask, and give the body of the answer.

        Raises:
            EngineUnreachable: Nobody answers.
            TenError: The engine refused; its own error where it said which.
        """
        connection = self._kept_connection()
        response = self._send(connection, method, path, body, timeout_seconds)
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            raise self._lost(error) from error
        if response.will_close:
            self._drop(connection)
        if response.status >= http.client.BAD_REQUEST:
            raise failure(response.status, response.reason, data)
        return data

    def open(self, path: str, *, timeout_seconds: float) -> Stream:
        """Ask for a stream, on a connection of its own.

        Raises:
            EngineUnreachable: Nobody answers.
            TenError: The engine refused.
        """
        connection = self._connection()
        response = self._send(connection, "GET", path, None, timeout_seconds)
        if response.status >= http.client.BAD_REQUEST:
            data = response.read(_MAX_ERROR_BYTES)
            self._drop(connection)
            raise failure(response.status, response.reason, data)
        return Stream(self, connection, response)

    def close(self) -> None:
        """End every connection; what waits in one fails with EngineUnreachable."""
        with self._lock:
            self._is_closed = True
            connections = list(self._open)
        for connection in connections:
            if threading.get_ident() == self._user:
                self._drop(connection)
            else:
                # Whoever waits in it is woken, and closes it.
                _shut(connection)

    def _kept_connection(self) -> http.client.HTTPConnection:
        kept = self._kept
        if kept is not None and kept.sock is not None and not _has_ended(kept.sock):
            return kept
        if kept is not None:
            self._drop(kept)
        self._kept = self._connection()
        return self._kept

    def _connection(self) -> http.client.HTTPConnection:
        self._user = threading.get_ident()
        connection = self._make()
        with self._lock:
            if self._is_closed:
                message = "The client is closed"
                raise EngineUnreachable(message)
            self._open.add(connection)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            raise self._not_reached(error) from error
        return connection

    def _make(self) -> http.client.HTTPConnection:
        if self.endpoint.host:
            return BridgeConnection(command(self.endpoint.host, is_batch=self.endpoint.is_batch))
        if self.endpoint.socket:
            return UnixConnection(self.endpoint.socket, CONNECT_SECONDS)
        try:
            parts = urlsplit(self.endpoint.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if host is None or parts.scheme not in {"http", "https"}:
            message = f"Invalid server URL '{self.endpoint.url}'"
            raise TenError(message, hint="it looks like http://HOST:PORT")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS)
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: object,
        timeout_seconds: float,
    ) -> http.client.HTTPResponse:
        headers = {}
        if self.endpoint.token:
            headers["Authorization"] = f"Bearer {self.endpoint.token}"
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout_seconds)
            connection.request(method, path, data, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            said = connection.said if isinstance(connection, BridgeConnection) else ""
            raise self._lost(error, said) from error
        except ValueError as error:
            self._drop(connection)
            message = "The token holds characters that HTTP does not allow"
            raise TenError(message) from error

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        if connection is self._kept:
            self._kept = None
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _not_reached(self, error: Exception) -> EngineUnreachable:
        message = f"Failed to connect to server at {self.endpoint.where}"
        hint = ""
        if isinstance(error, PermissionError):
            hint = "only root, the engine's user and members of settings.admin_group may use it"
        elif self.endpoint.socket and isinstance(error, FileNotFoundError | ConnectionRefusedError):
            hint = "no engine runs there: start it with `ten up` or `ten serve`"
        return EngineUnreachable(message, hint=hint)

    def _lost(self, error: Exception, said: str = "") -> EngineUnreachable:
        if said and not self._is_closed:
            hint = "is `ten` in the PATH over there?" if "not found" in said else ""
            return EngineUnreachable(f"{self.endpoint.where}: {said}", hint=hint)
        if self._is_closed:
            return EngineUnreachable("The client is closed")
        if isinstance(error, TimeoutError):
            return EngineUnreachable(f"No answer from {self.endpoint.where}")
        return EngineUnreachable(f"Lost the connection to {self.endpoint.where}")


class Stream:
    """An answer that comes in pieces, until its end or `close`."""

    def __init__(
        self,
        transport: Transport,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
    ) -> None:
        """Take the answer whose head has come."""
        self._transport = transport
        self._connection = connection
        self._response = response

    def read(self, size: int = 256 * 1024) -> bytes:
        """Wait for the next piece; b"" at the end.

        Raises:
            EngineUnreachable: The connection ended early, or was quiet past its time limit.
        """
        try:
            return self._response.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._transport._lost(error) from error  # noqa: SLF001 - its own transport

    def close(self) -> None:
        """Leave."""
        self._transport._drop(self._connection)  # noqa: SLF001 - its own transport


def failure(status: int, reason: str, data: bytes) -> TenError:
    """Make the error that an answer tells of."""
    try:
        problem = msgspec.json.decode(data, type=_Problem)
    except msgspec.DecodeError:
        message = f"Server returned {status} {reason}"
        # Said by a proxy in front of an engine that is away.
        return EngineUnreachable(message) if status in _AWAY else ServerError(message, status)
    text, hint = problem.error, problem.hint
    match problem.kind:
        case "not_found":
            return NotFound(text, hint=hint)
        case "refused":
            return Refused(text, hint=hint)
        case "feature_missing":
            return FeatureMissing(text, hint=hint)
        case "launch_failed":
            return LaunchFailed(
                text, step=problem.step, errno=problem.errno, path=problem.path, hint=hint
            )
        case _:
            return ServerError(text, status, hint=hint)


def _has_ended(connection: socket.socket) -> bool:
    """Tell whether the other side has closed an idle connection: nothing else is readable then."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _shut(connection: http.client.HTTPConnection) -> None:
    """Wake whoever waits in a connection; closing it is left to them."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            # Not connected any more: nobody waits in it.
            return
