"""The console on an engine in memory: what it shows, and what its keys do."""

import asyncio

import msgspec
import pytest

from engine.core.wire import ConfigChanged, Desired, InstanceGone, LogLine, State
from ten_tui.store.arrange import PaneId
from ten_tui.store.view import LinkState
from tests.tui.demo import CONFIG, T0, many_instances
from tests.tui.fake import FakeEngine, demo_engine
from tests.tui.stage import console


async def test_small_terminal_shows_head_table_log_and_keys() -> None:
    async with console() as seen:
        await seen.shows("build-7 · production", "✖ 1", "api:alice", "● healthy", "▲ degraded")
        await seen.shows("log api:alice  following", "GET /health 200", "r restart", "? help")
        assert len(seen.rows) == 24
        assert all(len(row) == 80 for row in seen.rows)


async def test_wide_terminal_shows_everything() -> None:
    async with console(size=(200, 60)) as seen:
        await seen.shows("cpu 0.5", "-2m30s", "events", "killed by SIGSEGV", "isolation", "version")


async def test_a_port_in_a_network_of_its_own_is_not_shown_as_one_of_the_host() -> None:
    engine = demo_engine()
    alice = engine.instances["api:alice"]
    engine.instances["api:alice"] = msgspec.structs.replace(alice, network="private", port=8080)
    async with console(engine, size=(200, 60)) as seen:
        await seen.shows("port private:8080")
        await seen.press("j")
        await seen.shows("port 30002")


async def test_the_log_and_the_detail_follow_the_cursor() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("j", "j")
        await seen.shows("log api:carol", "health check: 503 from /health")
        await seen.press("j", "j")
        await seen.shows("log flaky:default", "killed by SIGSEGV", "panic: runtime error")


async def test_restart_and_stop_act_at_once_and_undo_takes_the_stop_back() -> None:
    async with console() as seen:
        await seen.press("r")
        await seen.until(lambda: ("restart", "api:alice") in seen.engine.calls)
        await seen.shows("restart api:alice: done   ten restart api:alice")
        await seen.press("s")
        await seen.until(lambda: ("stop", "api:alice", 10.0) in seen.engine.calls)
        await seen.shows("u undoes stop of api:alice")
        await seen.until(lambda: seen.ui.view.instances["api:alice"].state is State.DRAINING)
        await seen.press("u")
        await seen.until(lambda: ("undo", "api:alice") in seen.engine.calls)
        await seen.shows("undone: stop on api:alice")
        assert "u undoes" not in seen.text


async def test_a_stopped_one_is_started_by_the_same_key() -> None:
    async with console() as seen:
        await seen.type("/weekly")
        await seen.press("enter")
        await seen.until(lambda: seen.ui.table.selected == "report:weekly")
        await seen.press("s")
        await seen.until(lambda: ("spawn", "report:weekly") in seen.engine.calls)


async def test_undo_is_offered_for_ten_seconds_only() -> None:
    now = [1000.0]
    async with console(clock=lambda: now[0]) as seen:
        await seen.press("s")
        await seen.shows("u undoes stop of api:alice · 10s")
        foot = seen.text.splitlines()[-1]
        assert "  y copies  " in foot or "y copies" not in foot, "the offer lies over it"
        now[0] += 4
        await seen.shows("· 6s")
        now[0] += 7
        await seen.hides("u undoes")


async def test_marks_are_acted_on_together_and_a_group_is_asked_about() -> None:
    async with console() as seen:
        await seen.press("space", "space")
        await seen.shows("2 marked")
        await seen.press("s")
        await seen.until(lambda: ("stop", "api:bob", 10.0) in seen.engine.calls)
        await seen.press("escape")
        await seen.press("g", "r")
        await seen.shows("restart 3 instances of api?", "leave it", "restart all 3")
        await seen.press("enter")
        await seen.hides("restart 3 instances of api?")
        assert not [call for call in seen.engine.calls if call[0] == "restart"]
        await seen.press("r", "y")
        await seen.until(lambda: len([c for c in seen.engine.calls if c[0] == "restart"]) == 3)


async def test_weight_is_typed_with_its_share_shown_and_can_be_undone() -> None:
    async with console() as seen:
        await seen.press("w")
        await seen.shows("weight of api:alice 100")
        await seen.press("ctrl+u")
        await seen.type("25")
        await seen.shows("14% of api")
        await seen.press("enter")
        await seen.until(lambda: ("weight", "api:alice", 25) in seen.engine.calls)
        await seen.shows("u undoes weight of api:alice")
        await seen.press("w", "ctrl+u")
        await seen.type("999")
        await seen.press("enter")
        await seen.shows("0 to 100")


async def test_a_dead_engine_is_a_grey_view_that_comes_back_with_its_place() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("j", "j", "2")
        seen.engine.die()
        await seen.until(lambda: seen.ui.view.link.state is LinkState.LOST)
        await seen.shows("engine gone · retry in", "api:alice", "health check: 503")
        assert seen.app.palette.is_grey
        await seen.press("r")
        await seen.shows("not connected: nothing was done")
        seen.engine.revive()
        seen.app.link.retry()
        await seen.until(lambda: seen.ui.view.is_live)
        assert not seen.app.palette.is_grey
        assert seen.ui.table.cursor == "api:carol"
        assert seen.ui.focus is PaneId.DETAIL


async def test_an_engine_that_is_not_there_yet_is_waited_for() -> None:
    async with console(demo_engine(is_down=True)) as seen:
        await seen.shows("waiting for the engine", "retry in")
        seen.engine.revive()
        await seen.shows("api:alice")


async def test_filter_words_and_escape() -> None:
    async with console() as seen:
        await seen.type("/state:fail")
        await seen.shows("flaky:default", "1/9 /state:fail")
        assert "api:alice" not in seen.text.replace("log api:alice", "")
        await seen.press("escape")
        await seen.shows("instances 9", "api:bob")
        await seen.type("/nothing-like-it")
        await seen.shows("nothing matches: Esc clears the filter")


async def test_sorting_folding_and_one_list() -> None:
    async with console() as seen:
        await seen.press("o", "o")
        await seen.shows("sorted by cpu, largest first", "cpu▾")
        await seen.press("O")
        await seen.shows("cpu▴")
        await seen.press("left")
        await seen.shows("▸api")
        await seen.press("enter", "v")
        assert "▾api" not in seen.text


async def test_log_pauses_by_line_and_says_how_much_is_new() -> None:
    engine = demo_engine()
    async with console(engine) as seen:
        await seen.press("l", "space")
        await seen.shows("paused")
        last = seen.app.log_in_view()
        with engine.changed:
            engine.first_lines += 312
            engine.changed.notify_all()
        await seen.shows("▼ 312 new")
        assert seen.app.log_in_view() == last
        await seen.press("G")
        await seen.shows("following")
        await seen.until(lambda: seen.app.log_in_view()[1] == 711)


async def test_log_scrolls_back_to_the_oldest_line_and_shows_the_gap() -> None:
    engine = demo_engine(oldest=100)
    async with console(engine) as seen:
        await seen.press("l", "g")
        await seen.until(lambda: seen.app.log_in_view()[0] == 100)
        for _ in range(3):
            await seen.press("pagedown")
        await seen.until(lambda: seen.app.log_in_view()[0] > 100)
        await seen.press("G")
        await seen.shows("following")


async def test_search_finds_upwards_and_n_goes_on() -> None:
    async with console() as seen:
        await seen.press("l")
        await seen.type("/slow query")
        await seen.press("enter")
        await seen.until(lambda: seen.ui.logs.match == 396)
        await seen.press("N")
        await seen.until(lambda: seen.ui.logs.match == 388)
        await seen.press("n")
        await seen.until(lambda: seen.ui.logs.match == 396)
        await seen.press("escape")
        await seen.type("/no such text")
        await seen.press("enter")
        await seen.shows('no "no such text" above')
        await seen.press("E")
        await seen.until(lambda: "error at line" in seen.foot)


async def test_filter_in_the_log_hides_lines_and_escape_brings_them_back() -> None:
    async with console() as seen:
        await seen.press("l", "ampersand")
        await seen.type("payment")
        await seen.press("enter")
        await seen.until(lambda: seen.ui.logs.is_known and len(seen.ui.logs.held) > 3)
        assert all("payment" in line.text for line in seen.ui.logs.held)
        for _ in range(12):
            await seen.press("pageup")
        await seen.until(lambda: seen.app.log_in_view()[0] < 150)
        assert all("payment" in line.text for line in seen.ui.logs.held)
        await seen.press("escape")
        await seen.shows("GET /health")
        await seen.press("i")
        await seen.shows("stderr only")
        await seen.until(lambda: {line.stream for line in seen.ui.logs.held} == {"stderr"})
        await seen.press("i", "i")
        await seen.shows("access only")


async def test_wrap_times_and_sideways() -> None:
    engine = demo_engine()
    engine.lines["api:alice"] = [LogLine(0, int(T0 * 1e9), "stdout", "abc " * 60 + "END")]
    async with console(engine) as seen:
        await seen.shows("abc abc")
        assert "END" not in seen.text
        await seen.press("l", "w")
        await seen.shows("END", "wrap")
        await seen.press("w", "right", "right", "t")
        assert seen.ui.logs.column == 16
        assert "END" not in seen.text


async def test_since_presets_are_digits_in_the_log() -> None:
    async with console() as seen:
        await seen.press("l", "2")
        await seen.shows("since 5m")
        assert seen.ui.focus is PaneId.LOG
        await seen.press("0")
        await seen.hides("since 5m")


async def test_config_shows_its_error_at_its_line_and_the_diff() -> None:
    async with console() as seen:
        pending = CONFIG.replace("512", '"lots"')
        config = msgspec.structs.replace(
            seen.engine.config,
            error="expected a whole number",
            error_line=9,
            error_column=19,
            error_key="service.api.memory_limit_mb",
            pending=pending,
            diff='@@ -9 +9 @@\n-memory_limit_mb = 512\n+memory_limit_mb = "lots"',
        )
        seen.engine.send(ConfigChanged(config=config, services=[]))
        await seen.shows("config refused: expected a whole number")
        await seen.press("5")
        await seen.shows("refused", '✖ memory_limit_mb = "lots"', "▲")
        await seen.press("d")
        await seen.shows("-memory_limit_mb = 512")
        await seen.press("R")
        await seen.until(lambda: ("reload",) in seen.engine.calls)


async def test_events_come_and_lead_to_their_instance() -> None:
    async with console() as seen:
        await seen.press("4")
        await seen.shows("weight of api:bob set to 50")
        seen.engine.happen("stopped worker:mail", instance="worker:mail", actor="root")
        await seen.shows("stopped worker:mail")
        await seen.press("E")
        await seen.press("enter")
        assert seen.ui.table.selected == "flaky:default"
        assert seen.ui.focus is PaneId.TABLE


async def test_help_is_the_registry_and_any_key_leaves() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("question_mark")
        await seen.shows("keys · instances", "restart the selection", "show only lines")
        await seen.press(*["j"] * 60)
        await seen.shows("g Home", "Ctrl-P")
        await seen.press("escape")
        await seen.hides("keys · instances")


async def test_palette_finds_and_does() -> None:
    async with console() as seen:
        await seen.press("ctrl+p")
        await seen.shows("actions")
        await seen.type("one list")
        await seen.press("enter")
        await seen.until(lambda: not seen.ui.table.is_grouped)


async def test_menu_shows_the_command_lines() -> None:
    async with console() as seen:
        await seen.press("x")
        await seen.shows("ten restart api:alice", "ten logs api:alice -f")
        await seen.press("r")
        await seen.until(lambda: ("restart", "api:alice") in seen.engine.calls)


async def test_typed_commands_act() -> None:
    async with console() as seen:
        await seen.type(":restart api:bob")
        await seen.shows("restart the selection")
        await seen.press("enter")
        await seen.until(lambda: ("restart", "api:bob") in seen.engine.calls)
        await seen.type(":weight 40")
        await seen.press("enter")
        await seen.until(lambda: ("weight", "api:alice", 40) in seen.engine.calls)
        await seen.type(":set memory_max=512M cpu_max=50000 100000")
        await seen.press("enter")
        limits = {"memory_max": "512M", "cpu_max": "50000 100000"}
        await seen.until(lambda: ("set", "api:alice", limits) in seen.engine.calls)
        await seen.type(":set memory_max= api:bob")
        await seen.press("enter")
        await seen.until(lambda: ("set", "api:bob", {"memory_max": ""}) in seen.engine.calls)
        await seen.type(":set memory_max")
        await seen.press("enter")
        await seen.shows("is not KEY=VALUE")
        await seen.type(":logs flaky:default")
        await seen.press("enter")
        await seen.shows("log flaky:default")
        await seen.press("escape")
        await seen.type(":xyzzy")
        await seen.press("enter")
        await seen.shows("no action is called xyzzy")
        await seen.type(":theme paper")
        await seen.press("enter")
        await seen.until(lambda: seen.app.palette.theme.name == "paper")


async def test_themes_are_previewed_and_escape_goes_back() -> None:
    async with console() as seen:
        await seen.press("T")
        await seen.shows("themes", "Paper")
        await seen.press("down")
        await seen.until(lambda: seen.app.palette.theme.name != "dusk")
        await seen.press("escape")
        await seen.until(lambda: seen.app.palette.theme.name == "dusk")


async def test_panes_zoom_grow_and_tab() -> None:
    async with console() as seen:
        height = seen.app.body_height(PaneId.TABLE)
        await seen.press("plus")
        assert seen.app.body_height(PaneId.TABLE) > height
        await seen.press("minus", "z")
        assert seen.app.body_height(PaneId.TABLE) > 18
        await seen.press("q")
        order = []
        for _ in range(5):
            order.append(seen.ui.focus)
            await seen.press("tab")
        assert order == [pane for pane in PaneId if pane is not PaneId.DEPLOYS]
        await seen.press("shift+tab")
        assert seen.ui.focus is PaneId.CONFIG


async def test_q_goes_back_and_at_the_root_detaches_without_stopping_anything() -> None:
    async with console() as seen:
        await seen.press("l", "q")
        assert seen.ui.focus is PaneId.TABLE
        assert seen.app.is_running
        await seen.press("q")
        await seen.until(lambda: not seen.app.is_running)
        assert seen.engine.calls == []


async def test_opens_with_a_log_followed() -> None:
    async with console(logs="worker:import") as seen:
        await seen.shows("log worker:import  following")
        assert seen.ui.focus is PaneId.LOG
        assert seen.ui.table.selected == "worker:import"


async def test_what_is_gone_leaves_the_table_and_nothing_breaks() -> None:
    async with console() as seen:
        for name in list(seen.engine.instances):
            del seen.engine.instances[name]
            seen.engine.send(InstanceGone(name=name))
        await seen.shows("no instances yet")
        await seen.press("r", "s", "w", "l", "x", "j", "k", "enter", "space", "n")
        assert seen.app.is_running


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 2), (5, 3), (20, 5), (39, 8), (80, 10), (300, 12), (110, 90)]
)
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async with console() as seen:
        await seen.pilot.resize_terminal(*size)
        await seen.press("j", "tab", "tab", "z", "question_mark", "escape", "x", "escape")
        await seen.pilot.resize_terminal(80, 24)
        await seen.until(lambda: len(seen.rows) == 24)


async def test_the_mouse_selects_folds_and_scrolls() -> None:
    async with console() as seen:
        await seen.pilot.click("#table", offset=(8, 3))
        assert seen.ui.table.selected == "api:bob"
        await seen.pilot.click("#table", offset=(4, 1))
        await seen.shows("▸api")
        await seen.pilot.click("#log", offset=(8, 3))
        assert seen.ui.focus is PaneId.LOG


async def test_a_thousand_rows_stay_smooth() -> None:
    engine = FakeEngine({one.name: one for one in many_instances(1000)})
    async with console(engine, size=(120, 40)) as seen:
        await seen.shows("instances 1000")
        begun = asyncio.get_running_loop().time()
        for _ in range(20):
            await seen.press("pagedown")
        assert asyncio.get_running_loop().time() - begun < 4.0
        await seen.type("/state:failed")
        await seen.press("enter")
        await seen.shows("10/1000 /")


async def test_desired_stopped_counts_as_down() -> None:
    async with console() as seen:
        seen.engine.change("api:alice", state=State.DRAINING, desired=Desired.STOPPED)
        await seen.shows("◑ draining")
        await seen.press("s")
        await seen.until(lambda: ("spawn", "api:alice") in seen.engine.calls)


async def test_a_quiet_log_fills_a_grown_pane_without_waiting_for_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ten_tui.link._WAIT_SECONDS", 60.0)
    async with console(size=(80, 24)) as seen:
        few = len(seen.ui.logs.held)
        await asyncio.sleep(0.5)  # so that the feed is in its long poll
        await seen.pilot.resize_terminal(200, 60)
        height = seen.app.body_height(PaneId.LOG)
        assert height > few
        await seen.until(lambda: len(seen.ui.logs.held) >= height, "the taller window")
