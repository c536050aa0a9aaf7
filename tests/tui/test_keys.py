"""The user's own keys and themes: they hold, they are shown, and they are followed live."""

import os
from pathlib import Path

from ten_tui.theme import config_dir
from tests.tui.stage import console


def write(text: str) -> Path:
    path = config_dir(os.environ) / "console.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def test_a_remapped_key_acts_and_is_named_everywhere() -> None:
    write('[keys]\nrestart = "R"\nundo = "U"\n')
    async with console(size=(120, 40)) as seen:
        await seen.shows("R restart")
        await seen.press("r")
        await seen.press("R")
        await seen.until(lambda: ("restart", "api:alice") in seen.engine.calls)
        assert len(seen.engine.calls) == 1
        await seen.press("s")
        await seen.shows("U undoes stop of api:alice")
        await seen.press("question_mark")
        await seen.shows("R  restart the selection", "U  undo a stop")


async def test_a_mistake_is_told_with_its_place_and_is_never_fatal() -> None:
    path = write('[keys]\nrestrat = "R"\nzoom = "Z"\nquit = 1\n')
    async with console(size=(200, 60)) as seen:
        await seen.shows(f"{path.name}:2:1: no action is called", "and 1 more: :problems")
        await seen.press("colon")
        await seen.type("problems")
        await seen.press("enter")
        await seen.shows(
            "your keys and themes",
            f"in {path.parent}"[:60],
            "did you mean restart?",
            "quit takes a key",
        )
        await seen.press("escape")
        await seen.press("Z")
        assert seen.ui.zoomed is not None


async def test_keys_and_themes_are_followed_while_the_console_runs() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.shows("r restart")
        write('[keys]\nrestart = "R"\n')
        await seen.shows("R restart")
        themes = config_dir(os.environ) / "themes"
        themes.mkdir()
        text = Path(__file__).parents[2].joinpath("themes/dusk.toml").read_text()
        themes.joinpath("mine.toml").write_text(text.replace('"Dusk"', '"My own"'))
        await seen.until(lambda: "mine" in dict(seen.app.theme_names()))
        await seen.press("T")
        await seen.shows("My own", "Clear, dark (colour-blind safe)")
        themes.joinpath("mine.toml").write_text("label = ")
        await seen.press("escape")
        await seen.shows("theme mine: ")
