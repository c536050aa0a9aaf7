"""ten_tui.store.folding, and the log pane with it: rows, the view and the cursor."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.wire import LogLine
from ten_tui.store.folding import Fold, folds, newest
from ten_tui.store.log_cursor import cursor_step
from ten_tui.store.logs import Logs, rows_in_view

TEXTS = [
    "starting",
    *(f"GET /item/{n} 200 {n}.5ms" for n in range(5)),
    "no such user",
    *(f"GET /item/{n} 200 1ms" for n in range(3)),
]


def lines(texts: list[str], stream: str = "stdout") -> list[LogLine]:
    return [LogLine(number, 0, stream, text) for number, text in enumerate(texts, 100)]


def logs(**more: object) -> Logs:
    held = lines(TEXTS)
    return Logs(held=held, oldest=100, end=110, is_known=True, is_folded=True, **more)  # type: ignore[arg-type]


def shown(found: Logs, height: int = 10) -> list[str]:
    return [row.text for row in rows_in_view(found, height, 80)]


def test_lines_alike_are_one_row_with_their_number() -> None:
    wanted = ["starting", "×5 GET /item/# # #ms", "no such user", "×3 GET /item/# # #ms"]
    assert shown(logs()) == wanted
    assert shown(logs(), 2) == wanted[-2:]
    rows = rows_in_view(logs(), 10, 80)
    assert [row.until for row in rows] == [-1, 105, -1, 109]
    assert rows[1].stands_for(101)
    assert rows[1].stands_for(105)
    assert not rows[1].stands_for(106)


def test_streams_are_kept_apart() -> None:
    mixed = [*lines(["a 1", "a 2"]), *lines(["a 3"], "stderr")]
    assert folds(mixed) == [Fold(0, 1), Fold(2, 2)]


def test_the_view_and_the_cursor_go_by_rows() -> None:
    found = logs()
    found.pause(100, 107)
    assert shown(found)[0] == "starting"
    found.scroll(1)
    assert found.top == 101
    assert shown(found)[0] == "×5 GET /item/# # #ms"
    found.scroll(1)
    assert (found.top, shown(found)) == (106, ["no such user", "×3 GET /item/# # #ms"])
    found.scroll(-2)
    assert found.top == 100
    found.cursor = 103  # within a fold, where a search has led
    cursor_step(found, 1, 10)
    assert found.cursor == 106
    cursor_step(found, -1, 10)
    assert found.cursor == 101
    cursor_step(found, 99, 2)
    assert (found.cursor, found.top) == (107, 106)
    cursor_step(found, -99, 2)
    assert (found.cursor, found.top) == (100, 100)


def test_a_view_that_begins_within_a_fold_shows_all_of_it() -> None:
    found = logs(is_following=False, top=104)
    assert shown(found)[0] == "×5 GET /item/# # #ms"


@given(st.lists(st.sampled_from(["a", "b 1", "b 2", "c 1"])), st.integers(0, 9))
def test_from_the_end_the_folds_are_the_same(texts: list[str], count: int) -> None:
    held = lines(texts)
    every = folds(held)
    assert newest(held, count) == every[max(0, len(every) - count) :]
    assert [place for fold in every for place in range(fold.first, fold.last + 1)] == list(
        range(len(held))
    )
