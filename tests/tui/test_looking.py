"""Looking back: zoom, the time cursor through all panes, and the way back to now."""

import pytest

from engine.core.wire import EventKind, LogLine, State
from ten_tui.store.arrange import PaneId
from ten_tui.store.graph import Rendering
from ten_tui.store.histogram import METRICS
from tests.tui.demo import T0
from tests.tui.fake import demo_engine
from tests.tui.stage import Driven, console

WIDE = (120, 40)


def asked(seen: Driven, what: str) -> list[tuple[object, ...]]:
    """What was asked of the past, but for the log's rate."""
    asked = [each for each in seen.engine.asked if each[0] == what]
    return [each for each in asked if each[2] != METRICS]


def detail(seen: Driven) -> str:
    """The text of the detail pane beside the table."""
    return "\n".join(row[79:] for row in seen.rows[2:22])


async def test_graphs_and_sparklines_have_a_past_at_once() -> None:
    async with console(size=WIDE) as seen:
        await seen.until(lambda: seen.ui.view.past.name == "api:alice", "the past")
        await seen.until(lambda: asked(seen, "moment"), "the log rates")
        lines = seen.ui.view.sparks["api:alice"].lines
        # The newest has begun in the stream: it is not overwritten.
        await seen.until(lambda: lines[:-1] == [3.0 * place for place in range(9)], "sparks")
        (question,) = asked(seen, "kept")
        assert question[1] == "api:alice"
        assert {"cpu", "throttled", "memory"} <= set(question[2])  # type: ignore[call-overload]
        await seen.pilot.pause(1.2)
        assert len(asked(seen, "kept")) == 1  # at rest nothing is asked


async def test_a_graph_out_of_sight_asks_for_nothing() -> None:
    async with console(size=(80, 24)) as seen:
        await seen.pilot.pause(1.2)
        assert not asked(seen, "kept")
        await seen.press("2")
        await seen.until(lambda: asked(seen, "kept"), "the past once it is in view")


async def test_graphs_zoom_from_five_minutes_to_ninety_days_and_back() -> None:
    async with console(size=WIDE) as seen:
        await seen.press("2")
        await seen.shows("-5m")
        labels = []
        for _ in range(8):
            await seen.press("minus")
            labels.append(seen.ui.timeline.label)
        assert labels == ["15m", "1h", "6h", "24h", "7d", "30d", "90d", "90d"]
        await seen.shows("-90d", "this is 90d")
        await seen.until(
            lambda: (
                seen.ui.view.past.step == 97_200 * 80 // 66
                or (seen.ui.view.past.since < T0 - 89 * 86400)
            ),
            "90 days",
        )
        assert "⣿" in detail(seen)
        await seen.press(*["plus"] * 7)
        await seen.shows("-5m")


async def test_all_panes_go_back_in_time_together_and_esc_returns() -> None:
    engine = demo_engine()
    engine.happen(
        "api:alice is failed: exited with 1",
        kind=EventKind.STATE,
        level="error",
        instance="api:alice",
    )
    async with console(engine, size=(200, 60)) as seen:
        await seen.press("[", "[")
        await seen.shows("looking at", "Esc returns to now", "30s ago")
        await seen.until(lambda: seen.ui.view.then and seen.ui.view.then.at == T0 - 30, "then")
        assert "6.50/8" in seen.rows[1]  # the host's CPU of then
        assert not seen.ui.logs.is_following
        await seen.until(lambda: seen.ui.logs.cursor >= 0 and seen.ui.logs.held, "the log")
        number = seen.ui.logs.cursor
        assert engine.line("api:alice", number).time_ns <= (T0 - 29) * 1e9
        assert engine.line("api:alice", number + 1).time_ns > (T0 - 29) * 1e9 - 1e8
        event = engine.events[seen.ui.events.cursor]
        assert event.time <= T0 - 29 < engine.events[seen.ui.events.cursor + 1].time
        assert "│" in "\n".join(row[133:] for row in seen.rows)
        await seen.press("]")
        await seen.shows("15s ago")
        await seen.press("escape")
        await seen.hides("looking at")
        assert seen.ui.view.then is None
        assert seen.ui.logs.is_following
        assert seen.ui.events.is_following
        assert "1.34/8" in seen.rows[1]


async def test_the_past_cannot_be_acted_on() -> None:
    async with console() as seen:
        await seen.press("[")
        await seen.shows("looking at")
        await seen.press("r")
        await seen.shows("this is the past")
        await seen.press("s", "x", "escape")
        assert not seen.engine.calls


async def test_the_states_of_then_are_those_the_events_tell() -> None:
    engine = demo_engine()
    for age, text in ((200, "is starting"), (150, "is failed: exited with 1"), (40, "is healthy")):
        name = "worker:import"
        engine.happen(f"{name} {text}", kind=EventKind.STATE, instance=name)
        engine.events[-1] = type(engine.events[-1])(
            id=len(engine.events),
            time=T0 - age,
            kind=EventKind.STATE,
            text=f"{name} {text}",
            instance=name,
        )
    engine.events.sort(key=lambda event: event.time)
    async with console(engine, size=WIDE) as seen:
        seen.app.logic.looking.go(T0 - 20)
        await seen.until(lambda: seen.ui.view.then, "then")
        assert seen.ui.view.shown["worker:import"].state is State.HEALTHY
        assert seen.ui.view.shown["report:weekly"].state is State.STOPPED
        assert seen.ui.view.instances["worker:import"].state is State.HEALTHY
        await seen.until(lambda: "api:alice" in detail(seen), "the detail")
        seen.ui.table.cursor = "report:weekly"
        seen.app.logic.moved()
        await seen.until(lambda: "report:weekly" in detail(seen), "what was down")
        assert "starts it" not in detail(seen)  # no advice for what is over


async def test_from_a_log_line_to_its_moment_and_along_the_log() -> None:
    engine = demo_engine()
    engine.lines["api:alice"] = [
        LogLine(number, int((T0 - 200 + number) * 1e9), "stdout", f"line {number}")
        for number in range(150)
    ]
    async with console(engine, size=WIDE) as seen:
        await seen.press("l", "k", "k", "@")
        await seen.until(lambda: seen.ui.timeline.at is not None, "the time of the line")
        assert seen.ui.timeline.at == T0 - 200 + 147
        assert seen.ui.logs.cursor == 147
        await seen.press("k")
        assert seen.ui.timeline.at == T0 - 200 + 146
        await seen.press("escape", "escape", "4", "@")
        await seen.until(lambda: seen.ui.timeline.at == T0 - 12, "the time of the newest event")
        await seen.press("k")
        assert seen.ui.timeline.at == T0 - 74
        await seen.until(lambda: seen.ui.logs.cursor == 126, "the log follows")


async def test_the_cursor_moves_by_columns_and_by_the_mouse() -> None:
    async with console(size=WIDE) as seen:
        await seen.press("2", "left")
        step = seen.ui.view.past.step * 2
        assert seen.ui.timeline.at == T0 - step
        await seen.press("right")
        assert seen.ui.timeline.is_now
        await seen.pilot.click(seen.app._main.detail, offset=(26, 8))  # type: ignore[union-attr]
        at = seen.ui.timeline.at
        assert at is not None
        assert T0 - 300 < at < T0 - 100
        await seen.press("q")
        assert seen.ui.timeline.is_now


async def test_another_instance_is_shown_at_the_same_time() -> None:
    async with console(size=WIDE) as seen:
        await seen.press("[", "j")
        await seen.until(lambda: seen.ui.view.past.name == "api:bob", "its past")
        assert seen.ui.timeline.at == T0 - 15
        await seen.until(lambda: not seen.ui.logs.is_following and seen.ui.logs.held, "its log")
        assert seen.ui.logs.query.name == "api:bob"


@pytest.mark.parametrize(("rendering", "sign"), [(Rendering.BLOCKS, "█"), (Rendering.PLAIN, "#")])
async def test_graphs_without_braille(rendering: Rendering, sign: str) -> None:
    async with console(size=WIDE) as seen:
        while seen.ui.rendering is not rendering:
            await seen.press("colon")
            await seen.type("rendering")
            await seen.press("enter")
        await seen.until(lambda: sign in detail(seen), "graphs in another hand")
        assert not any("\u2800" <= char <= "\u28ff" for char in detail(seen))


async def test_a_slow_link_is_asked_for_less() -> None:
    async with console(size=WIDE) as seen:
        await seen.until(lambda: asked(seen, "kept"), "the past")
        (quick,) = asked(seen, "kept")
        seen.ui.view.link.round_trip_ms = 400.0
        await seen.press("j")
        await seen.until(lambda: len(asked(seen, "kept")) == 2, "the other's past")
        slow = asked(seen, "kept")[-1]
        assert len(slow[2]) <= len(quick[2])  # type: ignore[arg-type]
        assert slow[5] == 2 * quick[5]  # type: ignore[operator]


async def test_an_engine_that_keeps_nothing_of_it_is_no_error() -> None:
    engine = demo_engine()
    async with console(engine, size=WIDE) as seen:
        await seen.press(*"jjjjj")
        await seen.pilot.pause(0.3)
        assert "the past:" not in seen.foot
        await seen.press("[")
        engine.die()
        await seen.until(lambda: not seen.ui.view.is_live, "lost")
        await seen.press("[", "[", "escape")
        await seen.hides("looking at")


async def test_the_rate_above_the_log_is_a_way_to_move() -> None:
    async with console(size=WIDE) as seen:
        await seen.until(lambda: seen.ui.view.log_past.name == "api:alice", "its rate")
        row = next(y for y, text in enumerate(seen.rows) if "log api:alice" in text) + 1
        await seen.until(lambda: "▄" in seen.rows[row], "the histogram")
        height = seen.app.body_height(PaneId.LOG)
        await seen.pilot.click(seen.app._main.log_pane, offset=(60, 1))  # type: ignore[union-attr]
        at = seen.ui.timeline.at
        assert at is not None
        assert T0 - 180 < at < T0 - 165
        await seen.until(lambda: "│" in seen.rows[row], "the cursor in it")
        await seen.press("escape", "h")
        assert seen.app.body_height(PaneId.LOG) == height + 1
        assert "INFO" in seen.rows[row] or "GET" in seen.rows[row] or "ERROR" in seen.rows[row]


async def test_a_small_log_has_its_room_for_lines() -> None:
    async with console(size=(80, 24)) as seen:
        assert seen.app.histogram_columns() == 0
        assert seen.app.body_height(PaneId.LOG) == 10


async def test_a_group_has_graphs_of_its_instances_together() -> None:
    async with console(size=(160, 50)) as driven:
        table = driven.app.ui.table
        await driven.press("g")
        await driven.until(lambda: table.shown == "api:", "the group")
        await driven.shows("api, together", "3 instances")
        await driven.until(lambda: ("kept", "api:") in {one[:2] for one in driven.engine.asked}, "")
        members = [one for one in driven.ui.view.samples if one.startswith("api:")]
        cores = sum(driven.ui.view.samples[one].cpu_cores for one in members)
        assert driven.ui.view.sample("api:").cpu_cores == cores
        await driven.until(lambda: driven.ui.view.past.name == "api:", "its past")
        detail = [row[-54:] for row in driven.rows]
        head = next(row for row in detail if " cpu " in row)
        assert f"{cores:.2f}" in head, head
        assert "limit" not in head, "limits are each instance's own"
        await driven.press("j")
        await driven.shows("api:alice")


async def test_nothing_is_asked_before_the_engines_clock_is_known() -> None:
    async with console(size=WIDE) as seen:
        await seen.until(lambda: asked(seen, "kept"), "the past")
        before = len(seen.engine.asked)
        seen.ui.view.now = 0.0
        seen.ui.view.past.forget()
        seen.app.logic.looking.refresh()
        await seen.pilot.pause(0.1)
        assert all(each[0] != "kept" for each in seen.engine.asked[before:])
