"""The console against the engine's real API on a Unix socket."""

import asyncio
from pathlib import Path

from engine.core.wire import State
from ten_tui.app import TenApp
from ten_tui.client import Endpoint, connect
from ten_tui.store.view import LinkState
from tests.fake_server import FakeServer
from tests.fakes import FakeControl
from tests.tui.stage import Driven


async def test_the_console_speaks_the_engines_api(tmp_path: Path) -> None:
    control = FakeControl(str(tmp_path))
    socket = tmp_path / "ten.sock"
    async with FakeServer(control, socket) as server:
        await control.populate()
        for number in range(300):
            control.rings["api:alice"].append(f"line {number} of alice")
        app = TenApp(lambda: connect(Endpoint(socket=str(socket))), theme_name="dusk")
        async with app.run_test(size=(120, 40)) as pilot:
            seen = Driven(app, pilot, None)  # type: ignore[arg-type]
            await seen.shows("api:alice", "● healthy", "line 299 of alice", "⇄")

            control.rings["api:alice"].append("a new line")
            await seen.shows("a new line")

            await seen.press("l", "slash")
            await seen.type("line 17 ")
            await seen.press("enter")
            await seen.until(lambda: "at line" in seen.foot and not seen.ui.logs.is_following)
            await seen.press("G", "ampersand")
            await seen.type("299")
            await seen.press("enter")
            await seen.until(lambda: seen.ui.logs.is_known and len(seen.ui.logs.held) == 1)
            await seen.press("escape", "escape")

            await seen.press("s")
            await seen.shows("u undoes stop of api:alice")
            await seen.until(lambda: seen.ui.view.instances["api:alice"].state is not State.HEALTHY)
            await seen.press("u")
            await seen.until(lambda: seen.ui.view.instances["api:alice"].state is State.HEALTHY)

            await server.listener.stop(0.2)
            await seen.until(lambda: seen.ui.view.link.state is LinkState.LOST)
            await seen.shows("retry in", "api:alice")
    await asyncio.sleep(0)
