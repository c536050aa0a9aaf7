"""A real door worker, with the test in the place of keeper and engine."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.core import doorwire
from engine.core.doorwire import (
    AccessWanted,
    DoorHello,
    DoorMessage,
    EngineHello,
    EngineMessage,
    InstanceStats,
    RouteInstance,
    RouteRules,
    RouteService,
    RouteState,
    RouteTable,
    Stats,
    TableIs,
    Wake,
)
from engine.daemon.door_board import Board

ROOT = Path(__file__).parents[2]


def instance(port: int = 0, state: RouteState = RouteState.UP, weight: int = 100) -> RouteInstance:
    return RouteInstance(state=state, port=port, weight=weight)


class DoorRig:
    """Starts `python -m engine.door` and speaks the engine's side of the link."""

    def __init__(
        self,
        folder: Path,
        *,
        domain: str = "localhost",
        uid: int | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs = theirs
        self.folder = folder
        self.version = 0
        self.stats: dict[str, InstanceStats] = defaultdict(InstanceStats)
        self.wakes: list[str] = []
        self.accesses: list[str] = []
        self.hellos: list[DoorHello] = []
        self.applied = 0
        self.board: Board | None = None
        arguments = ["--listen-fd", str(self.listener.fileno()), "--control-fd"]
        arguments += [str(theirs.fileno()), "--index", "0", "--domain", domain]
        if uid is not None:
            arguments += ["--uid", str(uid)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.door", *arguments],
            cwd=folder,
            pass_fds=[self.listener.fileno(), theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.board is not None:
            self.board.close()
        for one in (self.listener, self.link, self.theirs):
            one.close()

    # --- the engine's side ---

    def send(self, message: EngineMessage, fds: list[int] | None = None) -> None:
        socket.send_fds(self.link, [doorwire.encode(message)], fds or [])

    def hello(self, epoch: int = 1) -> None:
        self.send(EngineHello(epoch=epoch))

    def table(
        self,
        *,
        routing: RouteRules | None = None,
        settings: dict[str, Any] | None = None,
        **services: RouteService,
    ) -> None:
        """Put a table in force and wait until the door has taken it."""
        self.version += 1
        table = RouteTable(
            version=self.version,
            services=services,
            routing=routing or RouteRules(),
            **(settings or {}),
        )
        fd = os.memfd_create("table")
        try:
            os.write(fd, doorwire.encode(table))
            self.send(TableIs(version=self.version), [fd])
        finally:
            os.close(fd)
        self.hello()
        self.wait(lambda: bool(self.hellos) and self.hellos[-1].version == self.version)

    def service(self, **instances: RouteInstance) -> None:
        """Route to one service named api."""
        self.service_of("api", **instances)

    def service_of(self, name: str, **instances: RouteInstance) -> None:
        """Route to one service of that name."""
        self.table(**{name: RouteService(instances=instances)})

    def read(self, seconds: float) -> DoorMessage | None:
        """Take one message of the door."""
        ready, _, _ = select.select([self.link], [], [], seconds)
        if not ready:
            return None
        data, fds, _, _ = socket.recv_fds(self.link, doorwire.MESSAGE_LIMIT_BYTES, 1)
        message = doorwire.decode_from_door(data)
        match message:
            case DoorHello():
                self.hellos.append(message)
                if self.board is None:
                    self.board = Board(fds[0])
                for fd in fds:
                    os.close(fd)
            case Wake(name=name):
                self.wakes.append(name)
            case AccessWanted(name=name):
                self.accesses.append(name)
            case Stats(version=version):
                self.applied = version
                self.look()
        return message

    def look(self) -> None:
        """Read what the door has counted."""
        if self.board is not None:
            for name, now in self.board.read().items():
                self._add(name, now)

    def _add(self, name: str, now: InstanceStats) -> None:
        total = self.stats[name]
        total.requests += now.requests
        total.errors += now.errors
        total.ms_sum += now.ms_sum
        total.buckets = [one + two for one, two in zip(total.buckets, now.buckets, strict=True)]
        total.bytes_in += now.bytes_in
        total.bytes_out += now.bytes_out
        total.inflight = now.inflight
        total.last = now.last

    def wait(self, is_done, seconds: float = 15.0) -> None:
        """Read messages until something holds."""
        deadline = time.monotonic() + seconds
        while not is_done():
            left = deadline - time.monotonic()
            assert left > 0, f"wakes {self.wakes}, stats {self.stats}, hellos {self.hellos}"
            self.read(min(left, 0.05))
            self.look()

    # --- the client's side ---

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, request: bytes) -> bytes:
        """Send bytes, read until the door closes."""
        with self.connect() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(request)
            return read_all(sock)

    def get(self, host: str = "a.api.localhost", path: str = "/", extra: str = "") -> bytes:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{extra}\r\n"
        return self.ask(request.encode())

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def read_all(sock: socket.socket) -> bytes:
    """Read until the end, or a reset."""
    got = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(65536):
            got += data
    return bytes(got)


def read_until(sock: socket.socket, mark: bytes) -> bytes:
    """Read until what came ends with, or holds, a mark."""
    got = bytearray()
    while mark not in got:
        data = sock.recv(65536)
        assert data, f"closed after {bytes(got)!r}"
        got += data
    return bytes(got)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer[9:12])


@contextlib.contextmanager
def door(folder: Path, **options) -> Iterator[DoorRig]:
    rig = DoorRig(folder, **options)
    try:
        yield rig
    finally:
        rig.close()
