"""The deploys pane: what is seen of a rollout, and how it is steered."""

from engine.core.wire import State
from ten_tui.store.arrange import PaneId
from tests.tui.fake import demo_engine, rolling_engine
from tests.tui.stage import Driven, console
from tests.tui.test_safety import protect


def own(seen: Driven) -> None:
    """Let the rollout be one that was begun here."""
    seen.ui.deploys.own.add(("api", seen.engine.rollouts["api"].begun_at))


async def test_versions_stand_beside_each_other_with_gate_steps_and_differences() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        await seen.shows("rollout canary, step 2 of 4, observing;", "step 3 in 23s")
        await seen.press("D")
        await seen.shows("deploys · api", "canary, step 2 of 4, observing")
        await seen.shows("✔ 5% ── ● 25% ── ○ 50% ── ○ 100% ── ○ window", "next     step 3 in 23s")
        await seen.shows("requests        412    1,205   judged from 20", "failed        0.73%")
        await seen.shows("0.33%   1.33%", "env.POOL  not set → 20", "0 → 17     ERROR no such")
        assert [name.partition(":")[2] for name in seen.ui.deploys.rows_at.values()] == [
            *("alice", "bob", "carol")
        ]
        await seen.press("j", "j")
        assert seen.ui.table.selected == "api:carol"
        await seen.press("escape")
        assert seen.ui.focus is PaneId.TABLE
        await seen.hides("deploys · api")
        await seen.shows("rollout the new side of canary")


async def test_a_weight_is_seen_on_all_versions_before_it_is_given() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("6")
        await seen.shows("none yet: d deploys a version of it", "api:bob")
        await seen.press("j", "w", "backspace", "backspace")
        await seen.type("0")
        await seen.shows("20%→0%", "40%→50%")
        assert seen.engine.calls == []
        await seen.press("enter")
        await seen.until(lambda: ("weight", "api:bob", 0) in seen.engine.calls)
        await seen.press("u")
        await seen.until(lambda: ("undo", "api:bob") in seen.engine.calls)


async def test_a_rollout_is_held_let_go_on_and_promoted_by_a_key_each() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        own(seen)
        await seen.press("D", "p")
        await seen.shows("stays here until it is resumed")
        await seen.press("p")
        await seen.shows("step 3 in 1m 00s")
        await seen.press("P")
        await seen.shows("● window", "api:alice and 1 more stopped in 10m 00s; until then back")
        assert [call[0] for call in seen.engine.calls] == ["pause", "resume", "promote"]
        await seen.press("P")  # nothing takes this back
        await seen.shows("promote the rollout of api?", "stops api:alice and 1 more now")
        await seen.press("enter")
        await seen.hides("stops api:alice and 1 more now")
        assert len(seen.engine.calls) == 3
        await seen.press("P", "y")
        await seen.shows("api:alice and 1 more drained and stopped")


async def test_a_way_back_is_one_key_and_can_be_undone() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        own(seen)
        await seen.press("D", "b")
        await seen.shows("reason   rolled back by root", "✖ 25%", "u undoes rollback of api")
        await seen.press("u")
        await seen.shows("● 25%", "undone: the way back on api")
        assert seen.engine.calls == [("rollback", "api"), ("undo", "api")]


async def test_what_is_done_goes_back_by_a_rollout_of_its_own_and_that_is_undone() -> None:
    async with console(rolling_engine(state="done", is_over=True), size=(120, 40)) as seen:
        await seen.press("colon")
        await seen.type("rollback api")
        await seen.press("enter")
        await seen.shows("u undoes rollback of api")
        await seen.press("u")
        await seen.until(lambda: len(seen.engine.calls) == 2)
        assert seen.engine.calls == [("rollback", "api")] * 2


async def test_a_rollout_of_another_is_told_and_its_acts_ask_first() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        await seen.press("r")
        await seen.shows("restart api:alice all the same?")
        await seen.shows("root is bringing api:carol to api: canary, step 2 of 4, observing")
        await seen.press("escape", "D", "a")
        await seen.shows("abort the rollout of api?", "goes back to api:alice and 1 more")
        assert seen.engine.calls == []
        await seen.press("y")
        await seen.shows("reason   aborted by root")
        await seen.press("p")  # who has steered it is not asked again
        await seen.until(lambda: ("pause", "api") in seen.engine.calls)


async def test_a_protected_engine_asks_before_traffic_moves() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        own(seen)
        protect(seen)
        await seen.press("D", "P")
        await seen.shows("all of api (")
        await seen.press("escape")
        assert seen.engine.calls == []


async def test_a_version_is_deployed_as_on_the_command_line() -> None:
    async with console(size=(120, 40)) as seen:
        await seen.press("d")
        await seen.shows(":deploy api:", "deploy a version SERVICE:VERSION")
        await seen.type("v9 --strategy canary --steps 5,100")
        await seen.press("enter")
        await seen.shows("api:v9 is being rolled out (canary)")
        said = {"strategy": "canary", "steps": "5,100"}
        assert seen.engine.calls == [("rollout", "api:v9", said)]
        await seen.press("d")
        await seen.type("v9 --speed 3")
        await seen.press("enter")
        await seen.shows("--speed: what may be said is --strategy")
        assert len(seen.engine.calls) == 1


async def test_read_only_looks_at_deploys_and_steers_nothing() -> None:
    engine = rolling_engine()
    engine.is_read_only = True
    async with console(engine, size=(120, 40)) as seen:
        await seen.press("D")
        await seen.shows("0 → 17")
        await seen.press("b")
        await seen.shows("may only look")
        assert seen.engine.calls == []


async def test_the_mouse_selects_a_version_and_presses_what_the_foot_offers() -> None:
    async with console(rolling_engine(), size=(120, 40)) as seen:
        own(seen)
        await seen.press("D")
        await seen.shows("api:carol")
        row = next(y for y, text in enumerate(seen.rows) if "api:carol      new" in text)
        await seen.pilot.click("#deploys", offset=(6, row - 2))
        await seen.until(lambda: seen.ui.table.selected == "api:carol")
        await seen.pilot.click("#foot", offset=(seen.foot.index("b back"), 0))
        await seen.shows("u undoes rollback of api")
        await seen.pilot.click("#foot", offset=(seen.foot.index("u undoes") + 3, 0))
        await seen.until(lambda: seen.engine.calls == [("rollback", "api"), ("undo", "api")])


async def test_a_right_click_offers_all_there_is_to_do() -> None:
    async with console(demo_engine(), size=(120, 40)) as seen:
        row = next(y for y, text in enumerate(seen.rows) if "flaky:default" in text)
        await seen.pilot.click("#table", offset=(8, row - 2), button=3)
        await seen.shows("ten rollback flaky", "ten restart flaky:default")


async def test_a_small_terminal_has_all_that_matters() -> None:
    reason = "api:carol: 31 of its 120 requests failed (25.83%, 0.10% of the old version's)"
    engine = rolling_engine(state="rolled back", reason=reason, is_over=True, new=None, old=None)
    engine.change("api:carol", state=State.STOPPED)
    async with console(engine) as seen:
        await seen.press("D")
        await seen.shows("✖ 25%", "reason   api:carol: 31 of its 120", "error lines", "0 → 17")
        assert all(len(row) == 80 for row in seen.rows)
