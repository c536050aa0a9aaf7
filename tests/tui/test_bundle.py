"""`:bundle` in the console, and the console on what it saved."""

import asyncio
from pathlib import Path

import pytest

from ten_tui.app import TenApp
from ten_tui.client import bundle_file
from ten_tui.client.recording import Recording
from tests.tui.fake import demo_engine
from tests.tui.stage import Driven, console


async def test_what_is_saved_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console() as driven:
        await driven.press("colon")
        await driven.type("bundle none/x.zip")
        await driven.press("enter")
        await driven.shows("not saved: Cannot write none/x.zip")
        await driven.press("colon")
        await driven.type("bundle x.zip")
        await driven.press("enter")
        await driven.shows("saved to x.zip")
        await driven.press("colon")
        await driven.type("bundle")
        await driven.press("enter")
        await driven.until(lambda: len(list(tmp_path.glob("ten-*.zip"))) == 1, "a name of its own")
    path = tmp_path / "x.zip"
    found = await asyncio.to_thread(bundle_file.read, path)
    app = TenApp(Recording(found).connect, theme_name="dusk")
    async with app.run_test(size=(120, 40)) as pilot:
        replayed = Driven(app, pilot, demo_engine())
        await replayed.shows("recording of build-7", next(iter(driven.ui.view.instances)))
        assert app.ui.view.instances == driven.ui.view.instances
        assert not app.ui.view.can_act
        await replayed.press("s")
        await replayed.shows("a recording: nothing can be done in it")
