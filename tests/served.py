"""The fake engine's API, served from a thread so that plain code can ask it."""

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from engine.core.wire import State
from engine.daemon.auth import hash_token, make_token
from ten_tui.client.transport import UnixConnection
from tests.fake_server import FakeServer
from tests.fakes import FakeControl

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """A fake engine on a Unix socket; with `is_local=False` as the door reaches it."""

    def __init__(self, folder: Path, *, is_local: bool = True) -> None:
        self.folder = folder
        self.path = folder / "run" / "ten.sock"
        self.control = FakeControl(str(folder), step=0.02)
        self._is_local = is_local
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.server: FakeServer

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop serving, in order; the socket refuses from then on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.server = FakeServer(self.control, self.path, is_local=self._is_local)
        async with self.server:
            await self.control.populate()
            while any(view.state is not State.HEALTHY for view in self.control.instances()):
                await asyncio.sleep(0.005)
            self._ready.set()
            await self._end.wait()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def do(self, act: Any, *values: Any) -> Any:
        """Call a function on the server's loop."""

        async def run() -> Any:
            return act(*values)

        return self.call(run())

    def write(self, name: str, *texts: str, stream: str = "stdout") -> None:
        """Let an instance write lines."""

        async def run() -> None:
            for text in texts:
                self.control.rings[name].append(text, stream)

        self.call(run())

    def admin_token(self) -> str:
        """Put a new admin token in force."""
        token = make_token()
        self.do(self.server.store.set_admin_token_hash, hash_token(token))
        return token

    def other_token(self, tenant: str = "", *, is_read_only: bool = False) -> str:
        """Add a token of a tenant, or a read-only one."""
        token = make_token()

        async def add() -> None:
            self.server.store.add_tenant_token(
                tenant, token[:8], hash_token(token), "", is_read_only=is_read_only
            )

        self.call(add())
        return token

    def connection(self) -> http.client.HTTPConnection:
        return UnixConnection(str(self.path), 10)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        peer: str = "203.0.113.9",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Ask; a body that is no bytes is sent as JSON."""
        sent = {"X-Ten-Peer": peer}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body)
            sent["Content-Type"] = "application/json"
        link = self.connection()
        try:
            link.request(method, path, data, sent | (headers or {}))
            answer = link.getresponse()
            found = {name.lower(): text for name, text in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            link.close()
