"""Nothing is broken by accident: who may only look, what is protected, who else is there."""

import msgspec

from engine.core.wire import ConsoleView, State
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink
from tests.tui.fake import demo_engine
from tests.tui.stage import Driven, console


def protect(seen: Driven) -> None:
    view = seen.ui.view
    assert view.engine is not None
    view.engine = msgspec.structs.replace(view.engine, protect=True)


async def test_read_only_looks_and_does_not_act() -> None:
    async with console(demo_engine(is_read_only=True)) as seen:
        await seen.shows("read-only")
        await seen.press("r")
        await seen.shows("may only look")
        assert seen.engine.calls == []


def ink_of(seen: Driven, text: str) -> str:
    """Give the colour in which the last row shows a text."""
    strip = seen.app.screen._compositor.render_strips()[-1]
    segment = next(one for one in strip if text in one.text)
    assert segment.style is not None
    assert segment.style.color is not None
    return segment.style.color.name


async def test_read_only_greys_everything_that_acts() -> None:
    async with console(demo_engine(is_read_only=True)) as seen:
        theme = seen.app.palette.theme
        await seen.shows("r restart")
        assert ink_of(seen, " restart ") == theme.ink[Ink.FAINT]
        assert ink_of(seen, " logs ") == theme.ink[Ink.DIM]
        await seen.press("ctrl+p")
        await seen.type("restart")
        await seen.press("enter")
        assert seen.app.screen is not seen.app.get_screen_stack()[0]
        await seen.press("escape", "colon")
        await seen.type("stop api:alice")
        await seen.press("enter")
        await seen.shows("may only look")
        assert seen.engine.calls == []


async def test_a_protected_engine_has_the_name_typed_before_a_stop() -> None:
    async with console(size=(120, 40)) as seen:
        protect(seen)
        await seen.press("s")
        await seen.shows("stop api:alice: type api:alice", "req/s go there now", "Esc leaves it")
        await seen.press("enter")
        await seen.shows("left as it is: api:alice was not typed")
        await seen.press("s")
        await seen.type("api:bob")
        await seen.press("enter")
        await seen.shows("left as it is: api:alice was not typed")
        await seen.press("r", "escape")
        assert seen.ui.mode is Mode.NONE
        assert seen.engine.calls == []
        await seen.press("s")
        await seen.type("api:alice")
        await seen.press("enter")
        await seen.until(lambda: ("stop", "api:alice", 10.0) in seen.engine.calls)


async def test_what_nobody_answers_for_then_is_said() -> None:
    async with console(size=(200, 60)) as seen:
        protect(seen)
        await seen.press("g", "r")
        await seen.shows("restart 3 instances of api: type api")
        await seen.shows("nobody answers for api until they are back")
        await seen.type("api")
        await seen.press("enter")
        await seen.until(lambda: len([c for c in seen.engine.calls if c[0] == "restart"]) == 3)


async def test_a_protected_engine_asks_before_what_takes_nothing_away() -> None:
    async with console() as seen:
        protect(seen)
        await seen.type("/weekly")
        await seen.press("enter")
        await seen.until(lambda: seen.ui.table.selected == "report:weekly")
        await seen.press("s")
        await seen.shows("start report:weekly?", "leave it")
        await seen.press("enter")
        assert seen.engine.calls == []


async def test_others_who_are_attached_are_shown() -> None:
    engine = demo_engine()
    engine.consoles = (ConsoleView(who="root", place="pts/1"),)
    async with console(engine, size=(120, 40)) as seen:
        assert "attached" not in seen.text
    eva = ConsoleView(who="eva", place="pts/2 \x1b[31mfrom 10.0.0.7")
    engine.consoles = (*engine.consoles, eva)
    async with console(engine, size=(200, 60)) as seen:
        await seen.shows("2 attached: root pts/1, eva pts/2", "from 10.0.0.7")
        assert "\x1b" not in seen.text
        assert seen.ui.view.counts()[State.FAILED] == 1
    async with console(engine, size=(80, 24)) as seen:
        await seen.shows("2 attached")
        assert "eva" not in seen.rows[0]
