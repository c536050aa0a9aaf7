"""What is typed behind `:`, and what the foot says afterwards."""

import msgspec

from engine.core.wire import ConfigChanged, State
from ten_tui.store.ui import UndoOffer
from tests.tui.stage import Driven, console


async def _run(seen: Driven, text: str) -> None:
    await seen.type(f":{text}")
    await seen.press("enter")


async def test_stop_only_stops() -> None:
    async with console() as seen:
        await _run(seen, "stop report:weekly")
        await seen.shows("nothing to stop: report:weekly is not running")
        await _run(seen, "stop api:alcie")
        await seen.shows("no instance is called api:alcie: api:alice?")
        await _run(seen, "stop api:bob nonsense")
        await seen.shows("nonsense names no instance")
        assert seen.engine.calls == []
        await _run(seen, "stop api:bob")
        await seen.until(lambda: ("stop", "api:bob", 10.0) in seen.engine.calls)


async def test_restart_of_an_unknown_one_names_the_nearest() -> None:
    async with console() as seen:
        await _run(seen, "restart api:alcie")
        await seen.shows("no instance is called api:alcie: api:alice?")
        assert seen.engine.calls == []


async def test_start_and_spawn_only_start() -> None:
    async with console() as seen:
        await _run(seen, "start report:weekly")
        await seen.until(lambda: seen.engine.calls == [("spawn", "report:weekly")])


async def test_a_later_act_on_the_same_instance_ends_the_offer_to_undo() -> None:
    async with console() as seen:
        await seen.press("s")
        await seen.shows("u undoes stop of api:alice")
        await seen.press("r")
        await seen.until(lambda: ("restart", "api:alice") in seen.engine.calls)
        await seen.hides("u undoes")


async def test_the_foot_keeps_the_countdown_where_the_name_is_long() -> None:
    async with console(size=(80, 24), clock=lambda: 1000.0) as seen:
        name = "api:" + "x" * 60
        seen.ui.undo = UndoOffer((name,), f"stop of {name}", 1010.0)
        seen.app.repaint()
        await seen.shows("u undoes stop of api:xx")
        assert seen.foot.rstrip().endswith("… · 10s")


async def test_the_seconds_of_a_drain_stand_in_80_columns() -> None:
    async with console(size=(80, 24)) as seen:
        view = seen.ui.view
        view.instances["api:bob"] = msgspec.structs.replace(
            view.instances["api:bob"], state=State.DRAINING, until=view.now + 30.4
        )
        seen.app.repaint()
        await seen.shows("draining 30s")


async def test_digits_of_panes_are_offered_only_where_they_go_there() -> None:
    async with console() as seen:
        await seen.shows("4 events  5 config")
        await seen.press("3")
        await seen.shows("Tab events  config")
        await seen.hides("5 config")


async def test_a_refused_config_is_forgotten_once_it_is_good() -> None:
    async with console() as seen:
        services = list(seen.ui.view.services.values())
        good = seen.ui.view.config
        assert good is not None
        bad = msgspec.structs.replace(good, error="no such key: comand", error_line=6)
        seen.engine.send(ConfigChanged(config=bad, services=services))
        await seen.shows("config refused: no such key: comand (:config shows it)")
        seen.engine.send(ConfigChanged(config=good, services=services))
        await seen.shows("the config is good again")
        await seen.hides("config refused")
