"""The API of an engine without processes.

For working on the console: `python -m tests.fake_server --socket /tmp/fake.sock` serves it until
Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
from pathlib import Path

from engine.daemon.api.app import make_app
from engine.daemon.api.listener import Listener
from engine.daemon.auth import Auth
from engine.daemon.store import Store
from tests.fakes import FakeControl


class FakeServer:
    """A fake engine's API on a Unix socket."""

    def __init__(self, control: FakeControl, path: Path, *, is_local: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.control = control
        self.store = Store(path.parent / f"{path.stem}.db")
        self.auth = Auth(self.store, path.parent)
        self.app = make_app(control, auth=self.auth, is_local=is_local)
        self._listening = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self._listening.bind(str(path))
        self._listening.listen()
        self.listener = Listener(self.app, self._listening)

    async def __aenter__(self) -> FakeServer:
        await self.listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # asyncio trips over a connection that it accepts in the moment its server is closed.
        await asyncio.sleep(0.01)
        await self.listener.stop(0.5)
        await self.control.close()
        self.store.close()
        self._listening.close()


async def _serve(options: argparse.Namespace) -> None:
    control = FakeControl(str(options.socket.parent), step=0.5)
    async with FakeServer(control, options.socket):
        await control.populate()
        for number in range(options.instances):
            await control.spawn(f"api:i{number:04}", actor="config")
        print(f"serving on {options.socket}", flush=True)
        await control.run(lines_per_second=options.rate)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fake engine's API.")
    default = Path(tempfile.gettempdir()) / "ten-fake.sock"
    parser.add_argument("--socket", type=Path, default=default)
    parser.add_argument("--rate", type=float, default=5.0, help="lines a second an instance")
    parser.add_argument("--instances", type=int, default=0, help="further instances")
    try:
        asyncio.run(_serve(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
