"""The isolation card and the doctor, over the panes."""

from tests.tui.fake import demo_engine
from tests.tui.stage import console


async def test_the_isolation_card_shows_plan_and_process_and_marks_what_differs() -> None:
    async with console(size=(120, 50)) as seen:
        await seen.press("I")
        await seen.shows("api:alice · isolation", "as it was carried out", "not as planned")
        await seen.shows("readonly /", "/ can be written", "4026532179  its own", "uid", "0 (root)")
        assert ("inspect", "api:alice") in seen.engine.calls
        assert all(len(row) == 120 for row in seen.rows)
        await seen.press("escape")
        await seen.hides("as it was carried out")
        await seen.shows("ten inspect api:alice")


async def test_it_scrolls_where_it_is_longer_than_the_terminal() -> None:
    async with console() as seen:
        await seen.press("I")
        await seen.shows("j k scroll")
        await seen.hides("names only")
        for _ in range(8):
            await seen.press("pagedown")
        await seen.shows("names only", "HOME, PATH, PORT", "tmpfs")
        assert "\x1b[2J" not in seen.text
        await seen.press("k")
        await seen.press("x")
        await seen.hides("names only")


async def test_a_typed_name_is_looked_at_and_an_unknown_one_is_told() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("colon")
        await seen.type("inspect api:bob")
        await seen.press("enter")
        await seen.shows("api:bob · isolation")
        await seen.press("escape", "colon")
        await seen.type("inspect api:nobody")
        await seen.press("enter")
        await seen.shows("Unknown instance: api:nobody; did you mean api:alice?")
        await seen.press("colon")
        await seen.type("inspect nothing")
        await seen.press("enter")
        await seen.shows("nothing names no instance")


async def test_looking_is_let_to_who_may_only_look() -> None:
    engine = demo_engine()
    engine.is_read_only = True
    async with console(engine, size=(120, 40)) as seen:
        await seen.press("I")
        await seen.shows("api:alice · isolation")


async def test_the_doctor_shows_what_is_missing_and_what_helps() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("colon")
        await seen.type("doctor")
        await seen.press("enter")
        await seen.shows("doctor · ten-host", "● yes    Linux", "○ no     swap")
        await seen.shows("→ apt-get install zram-tools", "✖ no     gVisor (runsc)")
        await seen.shows("asked for by service.api.isolation")
        await seen.shows("lacks what /srv/tenement.toml needs")
        await seen.press("q")
        await seen.hides("doctor ·")


async def test_an_engine_that_is_away_is_told() -> None:
    async with console(size=(120, 40)) as seen:
        seen.engine.die()
        await seen.press("I")
        await seen.shows("inspect api:alice: ")
