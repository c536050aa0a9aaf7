"""Which graphs there is room for, and what they show."""

import pytest

from engine.core.metrics import INSTANCE_METRICS, Point
from engine.core.wire import Sample
from ten_tui.store import charts
from ten_tui.store.graph import Rendering
from ten_tui.store.past import Bin, Past
from ten_tui.store.timeline import Timeline
from tests.unit.ten_tui.store.test_past import kept

SAMPLE = Sample(
    100.0,
    cpu_cores=0.5,
    cpu_quota_cores=1.0,
    throttled=0.25,
    errors=2.0,
    p50_ms=3.0,
    p99_ms=80.0,
    swap_bytes=1 << 20,
)


def test_every_graph_shows_what_is_kept() -> None:
    names = {metric.name for metric in INSTANCE_METRICS}
    assert {name for chart in charts.CHARTS for name in chart.metrics} <= names
    assert charts.THROTTLED in names


@pytest.mark.parametrize("height", range(70))
def test_graphs_fit_their_room(height: int) -> None:
    found = charts.layout(height)
    assert len(found.charts) * (found.rows + 1) + 2 <= height or not found.charts
    assert bool(found.charts) is (height >= 5)
    if found.charts:
        assert charts.LEAST_ROWS <= found.rows <= charts.MOST_ROWS
    assert bool(found.metrics) is bool(found.charts)


def test_the_heads_tell_more_where_there_is_more() -> None:
    notes = [chart.note(SAMPLE) for chart in charts.CHARTS]
    assert notes[:4] == ["throttled 25%", "swap 1.0M", "2.0 err/s", "p50 3.0ms  p99 80ms"]
    assert {chart.note(Sample(1.0)) for chart in charts.CHARTS} == {""}


def test_the_scale_is_the_limit_or_holds_the_peaks() -> None:
    chart = charts.CHARTS[0]
    assert charts.top_of(chart, [Bin(0.3, 1.7)], 0.0) == 2.0
    assert charts.top_of(chart, [Bin(0.3, 1.7)], 1.5) == 1.5


def test_columns_come_from_both_sides_of_the_attach() -> None:
    window = charts.window_of(Timeline(), Rendering.BLOCKS, 299.0, 30)
    assert (window.since, window.until, window.step) == (0, 300, 10)
    past = Past()
    points = [Point(at, 0.0, 9.0, 2.0, 2.0) for at in range(0, 250, 10)]
    slowed = [Point(at, 0.0, 0.5, 0.1, 0.0) for at in (20, 40)]
    past.take("a:b", ("cpu",), window, [kept("cpu", 10, *points), kept("throttled", 10, *slowed)])
    history = [Sample(float(at), cpu_cores=4.0) for at in range(200, 300)]
    found = charts.values(charts.CHARTS[0], past, history, window)
    assert [each.mean for each in found if each] == [2.0] * 20 + [4.0] * 10
    assert charts.throttled(past, history, window) == {2, 4}
    assert charts.values(charts.CHARTS[0], past, [], window)[-1] is None
