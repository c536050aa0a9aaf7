"""Driving the console in tests: start it, press keys, wait for what must show."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from textual.pilot import Pilot

from ten_tui.app import TenApp
from tests.tui.fake import FakeEngine, demo_engine

TIMEOUT = 5.0


class Driven:
    """A console under test."""

    def __init__(self, app: TenApp, pilot: Pilot[int], engine: FakeEngine) -> None:
        self.app = app
        self.pilot = pilot
        self.engine = engine
        self.ui = app.ui

    @property
    def rows(self) -> list[str]:
        """The screen as text."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def foot(self) -> str:
        return self.rows[-1]

    async def until(self, test: Callable[[], object], what: str = "") -> None:
        """Wait until something is so."""
        end = asyncio.get_running_loop().time() + TIMEOUT
        while not test():
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"not so after {TIMEOUT} s: {what}\n{self.text}")
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def shows(self, *parts: str) -> None:
        """Wait until texts are on the screen."""
        for part in parts:
            await self.until(lambda part=part: part in self.text, part)

    async def hides(self, part: str) -> None:
        await self.until(lambda: part not in self.text, f"no {part}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        names = {" ": "space", ":": "colon", "/": "slash", "-": "minus", ".": "full_stop"}
        await self.press(*(names.get(char, char) for char in text))


@contextlib.asynccontextmanager
async def console(
    engine: FakeEngine | None = None,
    size: tuple[int, int] = (80, 24),
    theme: str = "dusk",
    clock: Callable[[], float] | None = None,
    logs: str | None = None,
) -> AsyncIterator[Driven]:
    """Run a console on a fake engine, its first log in view."""
    engine = engine or demo_engine()
    more = {"clock": clock} if clock else {}
    app = TenApp(engine.connect, theme_name=theme, logs=logs, **more)
    async with app.run_test(size=size) as pilot:
        driven = Driven(app, pilot, engine)
        if not engine.is_down:
            await driven.until(lambda: app.ui.view.is_live, "live")
            if engine.instances:
                await driven.until(
                    lambda: (
                        app.ui.logs.is_known and app.ui.view.history_of == app.ui.table.selected
                    ),
                    "log and history",
                )
        yield driven
