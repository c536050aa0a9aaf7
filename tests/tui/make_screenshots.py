"""`make screenshots`: the console drawn into screenshots/*.svg.

The example of `examples/demo` is run for real, on a free port and with a data directory of its
own, until its graphs show something; where that is impossible, the small host of
`tests.tui.fake` stands in, and this says so.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.core.errors import TenError
from engine.core.wire import State
from ten_tui.app import TenApp
from ten_tui.asking import Client
from ten_tui.client import Endpoint, connect, rollouts
from tests.tui.fake import demo_engine

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "screenshots"
UP_SECONDS = 40
ROLLING_SECONDS = 25.0
SEEN_SECONDS = 3.0
"""What was before is fetched by then."""


@dataclass(frozen=True)
class Shot:
    """One picture: its name, size, theme, and what is pressed before it and after."""

    name: str
    size: tuple[int, int]
    theme: str
    keys: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    is_rolling: bool = False


SHOTS = (
    Shot("console", (120, 40), "dusk"),
    Shot("console-80x24", (80, 24), "dusk"),
    Shot("console-200x60", (200, 60), "dusk"),
    Shot("light", (120, 40), "paper"),
    Shot("sixteen-colours", (120, 40), "ansi"),
    Shot("high-contrast", (120, 40), "contrast"),
    Shot("log-search", (120, 40), "dusk", ("l", "slash", *"POST", "enter")),
    Shot("config", (120, 40), "dusk", ("5", "z")),
    Shot("menu", (120, 40), "dusk", ("x",)),
    Shot("help", (120, 40), "dusk", ("question_mark",)),
    Shot("undo", (120, 40), "ember", ("s",), ("u",)),
    Shot("deploys", (120, 40), "dusk", ("D",), is_rolling=True),
)


async def take(shot: Shot, make_client: Callable[[], Client], name: str, wait: float) -> None:
    """Draw one picture, with the cursor on an instance, after watching for a while."""
    app = TenApp(make_client, theme_name=shot.theme)
    async with app.run_test(size=shot.size) as pilot:
        while not app.ui.view.instances:
            await pilot.pause(0.05)
        app.ui.table.cursor = name
        app.logic.moved()
        await asyncio.sleep(wait)
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause(0.2)
        await asyncio.sleep(1.0)
        svg = without_fonts(app.export_screenshot(title="ten"))
        for key in shot.then:
            await pilot.press(key)
            await pilot.pause(0.5)
    await asyncio.to_thread((TARGET / f"{shot.name}.svg").write_text, svg)
    print(f"screenshots/{shot.name}.svg")


async def draw(make_client: Callable[[], Client], name: str, wait: float, only: str) -> None:
    """Draw all pictures, or one, after a while; one by one, as each console is seen by others."""
    TARGET.mkdir(exist_ok=True)
    await asyncio.sleep(wait)
    for shot in (shot for shot in SHOTS if only in {"", shot.name}):
        if shot.is_rolling:
            await asyncio.to_thread(begin_rollout, make_client(), name.partition(":")[0])
        await take(shot, make_client, name, ROLLING_SECONDS if shot.is_rolling else SEEN_SECONDS)


def begin_rollout(client: Client, service: str) -> None:
    """Bring a new version to a quarter of a service's traffic."""
    said = {"strategy": "canary", "steps": "25,50,100", "pause": f"{3 * ROLLING_SECONDS:g}s"}
    rollouts.start(client, service, "v2", said)
    client.close()


def without_fonts(svg: str) -> str:
    """Leave out what would be fetched from elsewhere; ids depend on nothing but the picture."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = svg.replace("Fira Code", "ui-monospace, 'DejaVu Sans Mono', Menlo")
    number = re.search(r"terminal-(\d+)-", svg)
    return svg.replace(f"terminal-{number[1]}-", "t-") if number else svg


@contextlib.contextmanager
def real_engine() -> Iterator[Endpoint]:
    """Run the example until it has something to show."""
    with tempfile.TemporaryDirectory(prefix="ten-shots-") as folder:
        home = Path(folder) / "demo"
        shutil.copytree(
            ROOT / "examples/demo", home, ignore=shutil.ignore_patterns("tenement-data")
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine", "serve", "--port", str(port)],
            cwd=home,
            env={**os.environ, "DOOR": f"127.0.0.1:{port}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        endpoint = Endpoint(socket=str((home / "tenement-data/run/ten.sock").resolve()))
        try:
            wait_up(endpoint)
            yield endpoint
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_up(endpoint: Endpoint) -> None:
    """Wait until instances are healthy."""
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(TenError), connect(endpoint) as client:
            views = client.instances()
            if sum(view.state is State.HEALTHY for view in views) >= 4:
                return
        time.sleep(0.3)
    raise TenError(f"the example did not come up in {UP_SECONDS} s")


def main() -> int:
    """Draw from the real engine, else from the fake one."""
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("--fake", action="store_true", help="draw the data of the tests")
    parser.add_argument("--only", default="", help="draw this one alone")
    parser.add_argument("--watch", type=float, default=150.0, help="seconds to watch the example")
    given = parser.parse_args()
    os.environ["TEN_GRAPHS"] = "braille"  # whatever `make` writes its output to
    if not given.fake:
        try:
            with real_engine() as endpoint:
                asyncio.run(draw(lambda: connect(endpoint), "notes:alice", given.watch, given.only))
            return 0
        except TenError as error:
            print(f"no engine here ({error}): the data of the tests is drawn")
    asyncio.run(draw(demo_engine().connect, "api:carol", 1.0, given.only))
    return 0


if __name__ == "__main__":
    sys.exit(main())
