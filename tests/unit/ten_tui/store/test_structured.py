"""Structured lines: as rows, as fields, as columns; what is none of it stays as it is."""

import time

import pytest

from engine.core.errors import Refused
from engine.core.wire import LogLine
from ten_tui.store.levels import find_level
from ten_tui.store.logs import LogQuery, Logs, rows_in_view
from ten_tui.store.moment import read_moment
from ten_tui.store.structured import WIDEST, columns, fields, pretty, widths
from ten_tui.theme import Ink

JSON = '{"level":"error","msg":"no such user","req":{"id":7,"path":"/a"},"tags":["x"]}'


def test_json_is_laid_out_over_rows_with_what_stands_before_it() -> None:
    rows = pretty(f"12:00 {JSON}")
    assert rows[:3] == ("12:00 {", '  "level": "error",', '  "msg": "no such user",')
    assert rows[-1] == "}"
    assert pretty('[1, {"a": 2}]')[0] == "["


@pytest.mark.parametrize(
    "text",
    ["", "plain", "{", "{}", "a {b} c", "[INFO] no json", "{'a': 1}", "[" * 5000 + "]", "{" * 9],
)
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert pretty(text) == ()
    assert fields(text) == {}


def test_a_line_of_monstrous_length_is_not_parsed() -> None:
    assert pretty('{"a": "' + "x" * 20_000 + '"}') == ()
    assert fields("a=1 b=" + "x" * 20_000) == {}


def test_many_rows_are_cut_and_counted() -> None:
    rows = pretty("[" + ",".join("1" for _ in range(1000)) + "]")
    assert len(rows) == 201
    assert rows[-1] == "… 802 more rows"


def test_fields_of_json_and_of_pairs() -> None:
    assert fields(JSON) == {
        "level": "error",
        "msg": "no such user",
        "req.id": "7",
        "req.path": "/a",
        "tags": '["x"]',
    }
    pairs = 'ts=1 level=warn msg="slow \\"q\\"" url=/a?b=c'
    assert fields(pairs)["level"] == "warn"
    assert fields(pairs)["msg"] == 'slow \\"q\\"'
    assert fields("only a=1 here") == {}


def test_nothing_hostile_in_json_reaches_the_picture() -> None:
    hostile = '{"a":"\\u001b]52;c;x\\u0007","b":"\\u202ex\\n\\u0000"}'
    for text in (*pretty(hostile), *fields(hostile).values()):
        assert text.isprintable(), text
    assert "\x1b" not in (columns(hostile, ("a", "b"), {"a": 4, "b": 4}) or "")


def test_columns_are_as_wide_as_they_were_at_most() -> None:
    known: dict[str, int] = {}
    widths(['{"a":"1234567890","b":"x"}'], ("a", "b"), known)
    assert columns('{"a":"1","b":"y"}', ("a", "b"), known) == "1           y"
    assert columns('{"a":"日本","b":"y"}', ("a", "b"), known) == "日本        y"
    widths(['{"a":"1"}', '{"a":"' + "x" * 99 + '"}'], ("a", "b"), known)
    assert known == {"a": WIDEST, "b": 1}
    assert columns("plain", ("a", "b"), known) is None


def logs(*texts: str, **more: object) -> Logs:
    held = [LogLine(10 * n, 0, "stdout", text) for n, text in enumerate(texts)]
    return Logs(held=held, end=100, is_known=True, **more)  # type: ignore[arg-type]


def test_rows_of_pretty_lines_and_of_columns() -> None:
    rows = rows_in_view(logs("plain", '{"a":1}', is_pretty=True), 10, 40)
    assert [row.text for row in rows] == ["plain", "{", '  "a": 1', "}"]
    assert [row.is_first for row in rows] == [True, True, False, False]
    rows = rows_in_view(logs("plain", '{"a":1}', fields=("a",)), 10, 40)
    assert [row.text for row in rows] == ["plain", "1"]


def test_between_stretches_of_context_there_is_a_row_that_says_so() -> None:
    query = LogQuery("api:a", text="x", context=1)
    held = [LogLine(n, 0, "stdout", "x") for n in (4, 5, 6, 20, 21)]
    shown = Logs(query=query, held=held, end=100, is_known=True)
    assert [row.missing for row in rows_in_view(shown, 10, 40)] == [0, 0, 0, 13, 0, 0]
    shown.is_following = False
    shown.top = 6
    assert [row.missing for row in rows_in_view(shown, 10, 40)] == [0, 13, 0, 0]
    shown.top = 20
    assert [row.missing for row in rows_in_view(shown, 10, 40)] == [13, 0, 0]


@pytest.mark.parametrize(
    ("text", "ink"),
    [
        ('{"level":50,"msg":"x"}', Ink.BAD),
        ('{"level": 40}', Ink.WARN),
        ('{"level":20}', Ink.FAINT),
        ('{"level":"error"}', Ink.BAD),
        ("E0102 12:00:00.1 main.go:3] x", Ink.BAD),
        ("I0102 12:00:00.1 main.go:3] x", Ink.DIM),
        ("level=warn msg=x", Ink.WARN),
    ],
)
def test_levels_that_are_no_words(text: str, ink: Ink) -> None:
    found = find_level(text)
    assert found is not None
    assert found.ink is ink


@pytest.mark.parametrize("text", ['{"level":500}', "E01", "Every 0102", 'x "level":50'])
def test_what_only_looks_like_a_level(text: str) -> None:
    assert find_level(text) is None


NOON = 1_750_075_200.0


def test_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert read_moment("11:59", NOON) == NOON - 60
    assert read_moment("11:59:30", NOON) == NOON - 30
    assert read_moment("12:01", NOON) == NOON + 60 - 86400, "the last there was"
    assert read_moment("-15m", NOON) == read_moment("15m", NOON) == NOON - 900
    assert read_moment("1750000000", NOON) == 1_750_000_000
    for text in ("24:00", "12:60", "noon", ""):
        with pytest.raises(Refused):
            read_moment(text, NOON)
