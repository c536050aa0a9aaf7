"""What the log pane shows of a log: context, JSON, columns, times."""

from engine.core.wire import LogLine
from tests.tui.demo import T0
from tests.tui.fake import FakeEngine, demo_engine
from tests.tui.stage import console


def engine(*texts: str) -> FakeEngine:
    found = demo_engine()
    found.lines["api:alice"] = [
        LogLine(n, int((T0 - 600 + 10 * n) * 1e9), "stdout", text) for n, text in enumerate(texts)
    ]
    return found


PLAIN = tuple("needle" if n % 20 == 10 else f"line {n}." for n in range(60))
JSON = (
    "starting",
    '{"level":"info","msg":"up","port":8080}',
    '{"level":"error","msg":"no such user","port":1}',
)


async def test_lines_around_matches_come_and_go() -> None:
    async with console(engine(*PLAIN), size=(120, 60), logs="api:alice") as seen:
        await seen.press("greater_than_sign")
        await seen.shows("lines around matches: filter first")
        await seen.press("ampersand")
        await seen.type("needle")
        await seen.press("enter")
        await seen.shows("&needle")
        await seen.hides("line 9.")
        await seen.press("greater_than_sign")
        await seen.shows("&needle ±1", "line 9.", "line 11.", "⋯ 17 lines between ⋯")
        assert "line 8." not in seen.text
        await seen.press("greater_than_sign")
        await seen.shows("±2", "line 8.", "⋯ 15 lines between ⋯")
        await seen.press("less_than_sign", "less_than_sign")
        await seen.hides("line 9.")
        await seen.press("colon")
        await seen.type("more-context 3")
        await seen.press("enter")
        await seen.shows("±3", "line 47.", "⋯ 13 lines between ⋯")
        await seen.press("escape")
        await seen.shows("line 55.", "line 59.")


async def test_json_over_rows_and_back() -> None:
    async with console(engine(*JSON), size=(120, 40), logs="api:alice") as seen:
        await seen.press("J")
        await seen.shows('  "msg": "no such user",', "JSON", "starting")
        await seen.press("J")
        await seen.shows('{"level":"error","msg":"no such user","port":1}')


async def test_lines_alike_are_folded_and_unfolded() -> None:
    texts = [f"GET /item/{number} took {number % 7}.5 ms" for number in range(150)]
    written = [*texts, "no such user", *texts[:3]]
    async with console(engine(*written), size=(120, 40), logs="api:alice") as seen:
        await seen.press("F")
        await seen.shows("folded", "×150 GET /item/# took # ms", "no such user", "×3 GET /item/#")
        await seen.press("space")
        await seen.press("F")
        await seen.shows("GET /item/2 took 2.5 ms", "paused")
        await seen.hides("×150")


async def test_fields_in_columns() -> None:
    async with console(engine(*JSON), size=(120, 40), logs="api:alice") as seen:
        await seen.press("C")
        await seen.shows("columns level msg port")
        await seen.press("enter")
        await seen.shows("info   up            8080", "error  no such user  1", "starting")
        await seen.press("C")
        await seen.shows('{"level":"error"')
        await seen.press("colon")
        await seen.type("columns port,level")
        await seen.press("enter")
        await seen.shows("8080  info", "columns port,level")


async def test_jump_to_a_time_and_show_a_span() -> None:
    async with console(engine(*PLAIN), size=(120, 60), logs="api:alice") as seen:
        await seen.press("number_sign")
        await seen.type("9m")
        await seen.press("enter")
        await seen.shows("line 6", "paused")
        assert seen.ui.logs.cursor == 6
        await seen.press("number_sign")
        await seen.type("soon")
        await seen.press("enter")
        await seen.shows("Not a time: 'soon'")
        await seen.press("colon")
        await seen.type("since 8m")
        await seen.press("enter")
        await seen.press("colon")
        await seen.type("until 7m")
        await seen.press("enter")
        await seen.shows("line 12.", "line 17.", "since 14:", "until 14:")
        assert "line 11." not in seen.text
        assert "line 18." not in seen.text
        await seen.press("escape")
        await seen.shows("line 59.")
        assert "until" not in seen.text
