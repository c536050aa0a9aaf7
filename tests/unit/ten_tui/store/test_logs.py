"""The log pane's window: following, pausing, paging, gaps."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.wire import LogLine, LogWindow
from ten_tui.store.levels import find_level
from ten_tui.store.log_cursor import cursor_step
from ten_tui.store.logs import HELD, LogQuery, Logs, Page, rows_in_view
from ten_tui.theme import Ink


def lines(first: int, end: int, text: str = "line {}") -> list[LogLine]:
    return [LogLine(n, n * 10**9, "stdout", text.format(n)) for n in range(first, end)]


def tail(end: int, count: int = 20, oldest: int = 0) -> LogWindow:
    return LogWindow(name="a:b", oldest=oldest, end=end, lines=lines(max(oldest, end - count), end))


def opened(end: int = 100, count: int = 20) -> Logs:
    logs = Logs()
    logs.open(LogQuery("a:b"))
    logs.take_tail(tail(end, count))
    return logs


def numbers(logs: Logs, height: int = 10, width: int = 80) -> list[int]:
    return [row.line.number if row.line else -1 for row in rows_in_view(logs, height, width)]


def test_following_shows_the_end() -> None:
    logs = opened()
    assert numbers(logs) == list(range(90, 100))
    logs.take_tail(tail(105))
    assert numbers(logs) == list(range(95, 105))


def test_a_flood_that_leaves_no_overlap_replaces_what_is_held() -> None:
    logs = opened()
    logs.take_tail(tail(50_000))
    assert logs.held[0].number == 49_980
    assert numbers(logs) == list(range(49_990, 50_000))


def test_paused_the_view_stays_and_counts_what_is_new() -> None:
    logs = opened()
    rows = rows_in_view(logs, 10, 80)
    logs.see(rows)
    logs.pause(90, 99)
    logs.take_end(tail(412))
    assert numbers(logs) == list(range(90, 100))
    assert logs.unseen == 312
    logs.follow()
    assert logs.unseen == 0


def test_what_was_scrolled_to_is_no_longer_new() -> None:
    logs = opened()
    logs.pause(90, 99)
    logs.take_page(Page(logs.query, 100, 50), lines(100, 150), 0, 150)
    assert logs.unseen == 50
    logs.scroll(10)
    logs.see(rows_in_view(logs, 10, 80))
    assert logs.unseen == 40


def test_scrolling_to_the_edge_of_what_is_held_asks_for_more() -> None:
    logs = opened(1000, 20)
    logs.pause(990, 999)
    page = logs.scroll(-15)
    assert page is not None
    assert page.is_backward
    assert page.first == 980
    logs.take_page(page, lines(880, 980), 0, 1000)
    assert logs.scroll(-15) is None
    assert numbers(logs)[0] == 965


def test_scrolling_stops_at_the_oldest_line() -> None:
    logs = opened(30, 30)
    logs.pause(20, 29)
    assert logs.scroll(-500) is None
    assert numbers(logs)[0] == 0


def test_a_page_far_away_replaces_and_a_gap_shows_what_was_evicted() -> None:
    logs = opened(5000)
    page = logs.go_to(100, 10)
    assert page is not None
    logs.take_page(page, lines(1000, 1100), 1000, 5000)
    rows = rows_in_view(logs, 10, 80)
    assert rows[0].line is None
    assert rows[0].missing == 1000 - page.first
    assert rows[1].line is not None
    assert rows[1].line.number == 1000


def test_a_gap_between_lines_is_a_row() -> None:
    logs = opened(30, 10)
    logs.pause(20, 29)
    logs.held = lines(20, 23) + lines(27, 30)
    rows = rows_in_view(logs, 10, 80)
    assert [row.missing for row in rows] == [0, 0, 0, 4, 0, 0, 0]


def test_a_filter_leaves_lines_out_without_gaps() -> None:
    logs = Logs()
    logs.open(LogQuery("a:b", text="x"))
    logs.take_tail(LogWindow(name="a:b", oldest=0, end=30, lines=lines(3, 4) + lines(9, 10)))
    logs.pause(3, 9)
    assert numbers(logs) == [3, 9]


def test_go_to_a_held_line_needs_nothing() -> None:
    logs = opened(100, 60)
    assert logs.go_to(70, 9) is None
    assert numbers(logs, 9)[3] == 70
    assert not logs.is_following


def test_go_to_a_line_near_the_end_fills_the_view() -> None:
    logs = opened(100, 60)
    assert logs.go_to(98, 9) is None
    assert numbers(logs, 9) == list(range(91, 100))
    page = logs.go_to(30, 9)
    assert page is not None
    assert page.first == 27


def test_wrapped_lines_take_rows_and_the_last_line_ends_the_view() -> None:
    logs = Logs(is_wrapped=True)
    logs.open(LogQuery("a:b"))
    logs.take_tail(LogWindow(name="a:b", oldest=0, end=3, lines=lines(0, 3, "{}" + "x" * 25)))
    rows = rows_in_view(logs, 5, 10)
    assert [(row.line.number, row.offset) for row in rows if row.line] == [
        (1, 10),
        (1, 20),
        (2, 0),
        (2, 10),
        (2, 20),
    ]


def test_lines_are_made_safe_as_they_come_in_and_wide_ones_wrap_by_columns() -> None:
    logs = Logs(is_wrapped=True)
    logs.open(LogQuery("a:b"))
    text = "\x1b[31mERROR\x1b[0m 日本語日本語日本語"
    line = LogLine(0, 0, "stdout", text)
    logs.take_tail(LogWindow(name="a:b", oldest=0, end=1, lines=[line]))
    assert logs.held[0].text == "ERROR 日本語日本語日本語"
    rows = rows_in_view(logs, 9, 10)
    assert [row.offset for row in rows] == [0, 8, 13]


def test_another_instance_begins_at_its_end_and_the_same_one_stays() -> None:
    logs = opened()
    logs.pause(90, 99)
    logs.open(LogQuery("a:b"))
    assert not logs.is_following
    logs.open(LogQuery("a:c"))
    assert logs.is_following
    assert logs.held == []


def test_the_marked_stretch_is_in_order() -> None:
    logs = opened()
    logs.pause(90, 99)
    logs.mark, logs.cursor = 97, 92
    assert logs.stretch() == (92, 97)
    logs.mark = -1
    assert logs.stretch() == (92, 92)


def test_the_cursor_takes_the_view_along() -> None:
    logs = opened(100, 100)
    logs.pause(90, 99)
    for _ in range(15):
        cursor_step(logs, -1, 10)
    assert logs.cursor == 84
    assert numbers(logs)[0] == 84
    for _ in range(12):
        cursor_step(logs, 1, 10)
    assert logs.cursor == 96
    assert logs.cursor in numbers(logs)


def test_nothing_held_moves_nowhere() -> None:
    logs = Logs()
    assert logs.scroll(3) is None
    assert cursor_step(logs, 1, 10) is None
    assert rows_in_view(logs, 0, 10) == []
    assert rows_in_view(logs, 5, 10) == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("grow"), st.integers(0, 400)),
            st.tuples(st.just("scroll"), st.integers(-60, 60)),
            st.tuples(st.just("goto"), st.integers(0, 1200)),
            st.tuples(st.just("follow"), st.just(0)),
            st.tuples(st.just("pause"), st.just(0)),
        ),
        max_size=30,
    )
)
def test_whatever_is_done_lines_are_in_order_and_bounded(steps: list[tuple[str, int]]) -> None:
    end, height = 100, 10
    logs = opened(end)
    for what, number in steps:
        page = None
        if what == "grow":
            end += number
            (logs.take_tail if logs.is_following else logs.take_end)(tail(end))
        elif what == "scroll" and not logs.is_following:
            page = cursor_step(logs, number, height)
        elif what == "goto":
            page = logs.go_to(min(number, end - 1), height)
        elif what == "follow":
            logs.follow()
            logs.take_tail(tail(end))
        elif what == "pause":
            seen = numbers(logs)
            logs.pause(seen[0], seen[-1])
        if page is not None:
            first = max(0, page.first - page.count) if page.is_backward else page.first
            stop = page.first if page.is_backward else min(end, page.first + page.count)
            logs.take_page(page, lines(first, stop), 0, end)
        held = [line.number for line in logs.held]
        assert held == sorted(set(held))
        assert len(held) <= HELD
        shown = numbers(logs, height)
        assert shown
        assert shown == sorted(shown)
        assert logs.unseen >= 0


def test_levels_are_found_by_their_words() -> None:
    assert find_level("2024-01-01 ERROR it broke") == (11, 16, Ink.BAD)
    assert find_level("level=warn msg=slow") == (6, 10, Ink.WARN)
    assert find_level('{"level":"info"}') == (10, 14, Ink.DIM)
    assert find_level("ValueError: no") == (0, 10, Ink.BAD)
    assert find_level("no terror, informal errors/second") is None
    assert find_level("x" * 500 + " ERROR") is None
