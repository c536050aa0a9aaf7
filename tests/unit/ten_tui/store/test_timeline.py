"""The span of the graphs and the time cursor."""

import pytest

from engine.core.metrics import KEEP_SECONDS
from ten_tui.store.timeline import SPANS, Timeline, bin_seconds, when

NOW = 1_800_000_000.0


def test_the_cursor_moves_by_parts_of_the_span_and_comes_back_to_now() -> None:
    line = Timeline()
    line.move(-1, NOW)
    assert (line.at, line.edge(NOW + 50)) == (NOW - 15, NOW)
    line.move(-4, NOW)
    assert line.at == NOW - 75
    line.move(4, NOW)
    line.move(1, NOW)
    assert line.is_now
    assert line.edge(NOW + 50) == NOW + 50


def test_the_window_follows_a_cursor_that_leaves_it() -> None:
    line = Timeline()
    line.go(NOW - 1000, NOW)
    assert line.at == NOW - 1000
    assert line.end - line.span < NOW - 1000 < line.end < NOW
    line.go(NOW - 700, NOW)
    assert line.end - line.span < NOW - 700 < line.end <= NOW
    line.go(0.0, NOW)
    assert line.at == NOW - KEEP_SECONDS
    line.go(NOW, NOW)
    assert line.is_now


def test_zoom_keeps_the_cursor_where_it_is() -> None:
    line = Timeline()
    assert not line.zoom(-1, NOW)
    line.go(NOW - 5000, NOW)
    share = (line.end - NOW + 5000) / line.span
    assert line.zoom(1, NOW)
    assert (line.label, line.at) == ("15m", NOW - 5000)
    assert (line.end - NOW + 5000) / line.span == pytest.approx(share)
    assert line.zoom(len(SPANS), NOW)
    assert line.label == "90d"
    assert line.end <= NOW
    assert not line.zoom(1, NOW)


@pytest.mark.parametrize("bins", [20, 67, 160, 400])
@pytest.mark.parametrize("span", [span for _, span in SPANS])
def test_columns_are_whole_steps_of_what_is_kept(span: int, bins: int) -> None:
    step = bin_seconds(span, bins)
    unit = 1 if span <= 900 else 10 if span <= 86400 else 300
    assert step % unit == 0
    assert step * bins >= span
    assert step - unit < span / bins


def test_the_time_is_written_with_its_date_where_it_is_another() -> None:
    assert when(NOW, NOW).count(":") == 2
    assert "-" not in when(NOW, NOW)
    assert "-" in when(NOW - 3 * 86400, NOW)
