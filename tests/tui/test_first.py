"""The first run: the tour; and events that become a script."""

from ten_tui.app import TenApp
from ten_tui.clipboard import LARGEST_BYTES
from tests.tui.fake import demo_engine
from tests.tui.stage import console


async def test_help_asked_for_again_is_a_tour() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("question_mark")
        await seen.shows("keys · instances", "? tour")
        await seen.press("question_mark")
        await seen.shows("the console in ten lines", "Leaving stops nothing")
        await seen.press("escape")
        await seen.hides("ten lines")
        await seen.press("colon")
        await seen.type("tour")
        await seen.press("enter")
        await seen.shows("the console in ten lines")


async def test_who_is_new_is_told_of_it_once() -> None:
    app = TenApp(demo_engine().connect, theme_name="dusk", is_first=True)
    async with app.run_test(size=(80, 24)):
        assert "a tour in ten lines" in app.ui.message.text


async def test_marked_events_are_copied_as_a_script() -> None:
    async with console(size=(200, 60)) as seen:
        written: list[str] = []
        seen.app.write = written.append  # type: ignore[method-assign]
        await seen.press("4", "g")
        await seen.press("m")
        await seen.shows("copies up to the cursor as a script")
        await seen.press("j", "j", "j")
        await seen.shows("ten restart api:carol")
        await seen.press("y")
        await seen.shows("copied by the terminal")
        assert seen.ui.events_mark == -1
        import base64

        text = base64.b64decode(written[0].split(";")[2].rstrip("\x07")).decode()
        assert text.splitlines()[-3:] == [
            "ten weight api:bob 50",
            "# " + text.splitlines()[-2].removeprefix("# "),
            "ten restart api:carol",
        ]
        assert len(text) < LARGEST_BYTES
        await seen.press("m", "escape")
        assert seen.ui.events_mark == -1
