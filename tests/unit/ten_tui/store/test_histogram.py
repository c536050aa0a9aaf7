"""The log's rate above its lines."""

import pytest

from engine.core.metrics import Point
from engine.core.wire import Sample
from ten_tui.store import histogram
from ten_tui.store.graph import Rendering
from ten_tui.store.past import Bin, Past
from ten_tui.store.timeline import SPANS, Timeline
from ten_tui.theme import Ink
from tests.unit.ten_tui.store.test_past import kept


@pytest.mark.parametrize(
    ("size", "columns"), [((80, 24), 73), ((80, 12), 73), ((80, 11), 0), ((26, 30), 0)]
)
def test_it_is_there_where_there_is_room(size: tuple[int, int], columns: int) -> None:
    assert histogram.columns_in(*size) == columns


def test_rate_and_errors_are_told_apart() -> None:
    lines = [None, Bin(0.0, 0.0), Bin(0.2, 0.2), Bin(500.0, 500.0), Bin(0.0, 0.0)]
    errors = [None, Bin(0.0, 0.0), None, Bin(1.0, 1.0), Bin(0.1, 0.1)]
    drawn = histogram.cells(lines, errors, Rendering.BRAILLE)
    assert "".join(sign for sign, _ in drawn) == " ·▁▆▁"
    assert [ink for _, ink in drawn][1:] == [Ink.FAINT, Ink.INFO, Ink.BAD, Ink.BAD]
    plain = histogram.cells(lines, errors, Rendering.PLAIN)
    assert all(sign.isascii() or sign == "·" for sign, _ in plain)


@pytest.mark.parametrize("place", range(len(SPANS)))
def test_it_shows_the_span_of_the_graphs(place: int) -> None:
    window = histogram.window_of(Timeline(place), 1_800_000_000.0, 100)
    assert window.bins == 100
    assert window.step * 100 >= SPANS[place][1]


def test_what_is_kept_goes_on_in_the_stream() -> None:
    window = histogram.window_of(Timeline(), 299.0, 30)
    past = Past()
    points = [Point(at, 0.0, 2.0, 2.0, 2.0) for at in range(0, 300, 10)]
    past.take(
        "a:b", histogram.METRICS, window, [kept("log_lines", 10, *points), kept("log_errors", 10)]
    )
    lines, errors = histogram.rates(past, (), window)
    assert lines == [Bin(2.0, 2.0)] * 30
    assert errors == [None] * 30
    history = [Sample(float(at), log_lines=4.0, log_errors=1.0) for at in range(250, 300)]
    lines, errors = histogram.rates(past, history, window)
    assert lines == [Bin(2.0, 2.0)] * 25 + [Bin(4.0, 4.0)] * 5
    assert errors[-5:] == [Bin(1.0, 1.0)] * 5
