"""Serves the API on a Unix socket that somebody else has bound, and says who connected to it.

Uvicorn's protocol does HTTP; its server is left out, as it would take the process's signals and
wake ten times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from engine.daemon.auth import Peer

if TYPE_CHECKING:
    from starlette.applications import Starlette

_SO_PEERGROUPS = 59
_MAX_GROUP_BYTES = 1024
"""The most that Python lets getsockopt return: 256 groups."""
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 1024
_SETTLE_SECONDS = 0.02
"""In which the loop finishes what it began: connections just accepted, transports just closed."""


class PeerProtocol(HttpToolsProtocol):
    """HTTP over a Unix socket; requests find the connecting process in `scope["state"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who connected, before the first byte is read."""
        super().connection_made(transport)
        self.app_state = {"peer": read_peer(transport.get_extra_info("socket"))}


def read_peer(connection: socket.socket | None) -> Peer | None:
    """Read who connected; None where it is no Unix socket.

    Source: unix(7), SO_PEERCRED; socket(7), SO_PEERGROUPS.
    """
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3I", data)
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUP_BYTES)
        groups = struct.unpack(f"{len(raw) // 4}I", raw)
    except OSError:
        # Of more groups than fit, or a kernel without the option: by the lists of the host then.
        groups = _listed_groups(uid, gid)
    return Peer(pid, uid, gid, groups, is_contained=_is_contained(pid))


def _is_contained(pid: int) -> bool:
    """Tell whether a process is in another PID namespace; False where that cannot be seen."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    except OSError:
        return pid == 0


def _listed_groups(uid: int, gid: int) -> tuple[int, ...]:
    try:
        return tuple(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except KeyError:
        return ()


class Listener:
    """One application on one listening socket."""

    def __init__(self, app: Starlette, listening: socket.socket) -> None:
        """Take them; nothing is accepted before `start`."""
        self._app = app
        self._socket = listening
        self._state = ServerState()
        self._config = Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept connections."""
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            self._protocol, sock=self._socket, backlog=_BACKLOG
        )

    def _protocol(self) -> PeerProtocol:
        return PeerProtocol(self._config, self._state, {})

    async def stop(self, within_seconds: float = 2.0) -> None:
        """Accept no more, let answers under way finish, and end what is left by the bound.

        Streams end at once: they would never finish by themselves.
        """
        if self._server is None:
            return
        self._app.state.closing.set()
        self._server.close()
        await asyncio.sleep(_SETTLE_SECONDS)
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=within_seconds)
        left = set(self._state.tasks)
        for task in left:
            task.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.gather(*left, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(_SETTLE_SECONDS)
        self._server = None
