"""Several hosts in one console: a tab each, acts and answers where they belong."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from ten_tui.app import TenApp
from ten_tui.client import Endpoint
from ten_tui.start import _names
from tests.tui.fake import FakeEngine, demo_engine
from tests.tui.stage import Driven


@contextlib.asynccontextmanager
async def two(
    size: tuple[int, int] = (120, 40),
) -> AsyncIterator[tuple[Driven, FakeEngine, FakeEngine]]:
    """Run a console on two hosts, both with the same instances."""
    one, other = demo_engine(), demo_engine()
    app = TenApp({"berlin": one.connect, "tokyo": other.connect}, theme_name="dusk")
    async with app.run_test(size=size) as pilot:
        driven = Driven(app, pilot, one)
        seats = app.hosts.seats
        await driven.until(lambda: all(each.ui.view.is_live for each in seats), "both live")
        await driven.until(lambda: app.ui.logs.is_known, "a log")
        yield driven, one, other


async def test_a_tab_each_and_every_pane_follows() -> None:
    async with two() as (console, _, _):
        first = console.rows[0]
        assert first.startswith(" berlin ")
        assert "tokyo" in first
        assert "✖1" in first
        assert "●3" in first
        await console.press("j", "j")
        here = console.app.ui.table.cursor
        await console.press("H")
        assert console.app.hosts.seat.name == "tokyo"
        await console.until(lambda: console.app.ui.logs.is_known, "the log of the other host")
        assert console.app.ui.table.cursor != here
        await console.press("H")
        assert console.app.ui.table.cursor == here, "the place is kept"
        await console.type(":host tok")
        await console.press("enter")
        assert console.app.hosts.seat.name == "tokyo"
        await console.type(":host nowhere")
        await console.press("enter")
        await console.shows("not one host is called nowhere: berlin, tokyo")
        await console.pilot.click("#hosts", offset=(3, 0))
        assert console.app.hosts.seat.name == "berlin"


async def test_an_act_goes_to_the_host_in_view() -> None:
    async with two() as (console, one, other):
        await console.press("j", "r")
        await console.until(lambda: one.calls, "asked")
        await console.press("H", "j", "j", "r")
        await console.until(lambda: other.calls, "asked")
        assert [len(each.calls) for each in (one, other)] == [1, 1]
        assert one.calls != other.calls


async def test_a_host_that_goes_away_is_greyed_and_comes_back_with_its_place() -> None:
    async with two() as (console, _, other):
        await console.press("H", "j", "j")
        place = console.app.ui.table.cursor
        await console.press("H")
        other.die()
        await console.until(lambda: "✖ away" in console.rows[0], "it is away")
        assert "retry" not in console.rows[1], "the one in view is not"
        assert not console.app.palette.is_grey
        await console.press("H")
        assert console.app.palette.is_grey
        await console.shows("retry in")
        other.revive()
        await console.until(lambda: "✖ away" not in console.rows[0], "it is back")
        await console.until(lambda: not console.app.palette.is_grey, "in its colours")
        assert console.app.ui.table.cursor == place


async def test_a_log_is_followed_only_where_it_is_seen() -> None:
    async with two() as (console, _, _):
        seats = console.app.hosts.seats
        await console.until(lambda: seats[1].link._wish is None, "nothing is read of the other")
        assert seats[0].link._wish is not None
        await console.press("H")
        await console.until(lambda: seats[1].link._wish is not None, "its log is read")
        assert seats[0].link._wish is None


async def test_what_comes_late_is_not_laid_over_another_host() -> None:
    async with two() as (console, _, _):
        berlin = console.app.hosts.seats[0].logic
        await console.press("H")
        berlin.stage.show_facts("of berlin", [])
        await console.pilot.pause()
        assert "of berlin" not in console.text
        assert console.app.screen is console.app._main


async def test_a_small_terminal_has_no_line_of_hosts() -> None:
    async with two(size=(20, 5)) as (console, _, _):
        assert "tokyo" not in console.text
        await console.press("H")
        assert console.app.hosts.seat.name == "tokyo"


async def test_with_one_host_there_is_no_line_and_no_other() -> None:
    app = TenApp(demo_engine().connect, theme_name="dusk")
    async with app.run_test(size=(100, 30)) as pilot:
        driven = Driven(app, pilot, demo_engine())
        await driven.until(lambda: app.ui.view.is_live, "live")
        await driven.press("H")
        await driven.shows("there is one host")


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        (["root@a", "b"], ["a", "b"]),
        (["root@a", "bob@a:/x"], ["root@a", "bob@a:/x"]),
        (["a", "a", "b"], ["a", "a #2", "b"]),
    ],
)
def test_names_are_short_where_they_can_be(hosts: list[str], names: list[str]) -> None:
    assert _names([Endpoint(host=each) for each in hosts]) == names
