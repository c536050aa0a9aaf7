"""Short text of bounded width."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.wire import ConsoleView, State
from ten_tui import format as fmt

UTC = datetime.timezone.utc  # noqa: UP017 - the name the module's functions take


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "·"), (0.004, "·"), (0.42, "0.42"), (9.99, "9.99"), (12.34, "12.3"), (128, "128")],
)
def test_cores(value: float, text: str) -> None:
    assert fmt.cores(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "·"), (900, "900B"), (8300, "8.1K"), (325 << 20, "325M"), (1.5 * 2**30, "1.5G")],
)
def test_size(value: float, text: str) -> None:
    assert fmt.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "·"),
        (0.4, "0.4"),
        (9.96, "10"),
        (124.4, "124"),
        (999.6, "1.0k"),
        (12_340, "12.3k"),
        (123_400, "123k"),
        (1_200_000, "1.2M"),
    ],
)
def test_rate(value: float, text: str) -> None:
    assert fmt.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "·"), (0.4, "0.4ms"), (12, "12ms"), (1200, "1.2s"), (250_000, "250s")]
)
def test_millis(value: float, text: str) -> None:
    assert fmt.millis(value) == text


@pytest.mark.parametrize(
    ("value", "short", "long"),
    [
        (-3, "0s", "0s"),
        (59.9, "59s", "59s"),
        (61, "1m", "1m 01s"),
        (8040, "2h", "2h 14m"),
        (270_000, "3d", "3d 3h"),
    ],
)
def test_durations_are_floored(value: float, short: str, long: str) -> None:
    assert fmt.duration(value) == short
    assert fmt.long_duration(value) == long


@given(st.floats(min_value=0, max_value=1e15))
def test_no_figure_is_wider_than_its_column(value: float) -> None:
    assert len(fmt.cores(value)) <= 4
    assert len(fmt.size(value)) <= 5
    assert len(fmt.rate(value)) <= 5
    assert len(fmt.millis(value)) <= 5
    assert len(fmt.percent(value)) <= 4


def test_clock_is_in_the_zone_asked_for() -> None:
    assert fmt.clock(0, UTC) == "00:00:00"
    assert fmt.clock_millis(1_500_000_000, UTC) == "00:00:01.500"
    assert fmt.date_clock(86400 * 30, UTC) == "01-31 00:00:00"


def test_every_state_has_a_glyph_a_stand_in_and_a_place() -> None:
    assert set(fmt.MARKS) == set(State) == set(fmt.SEVERITY)
    assert all(mark.stand_in.isascii() for mark in fmt.MARKS.values())


def test_log_levels_grow_with_the_rate() -> None:
    levels = [fmt.log_level(rate) for rate in (0, 0.1, 1, 10, 100, 1000, 10_000, 1e9)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 8)
    assert len(fmt.spark(levels)) == len(levels)


@pytest.mark.parametrize("share", [-1, 0, 0.3, 0.99, 1, 7])
def test_bars_keep_their_width(share: float) -> None:
    assert len(fmt.bar(share, 8)) == 8


def test_counting() -> None:
    assert fmt.plural(1, "line") == "1 line"
    assert fmt.plural(1200, "line") == "1,200 lines"


def test_who_is_attached_several_alike_once() -> None:
    eva, root = ConsoleView(who="eva", place="pts/3"), ConsoleView(who="root")
    assert fmt.attached([root, eva, root]) == "root x2, eva pts/3"
    assert fmt.attached([ConsoleView(who="e\x1b[31mva")]) == "eva"
