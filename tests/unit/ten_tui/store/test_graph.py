"""Braille graphs."""

import pytest

from engine.core.wire import Sample
from ten_tui.store import graph


def test_the_newest_value_is_at_the_right_edge() -> None:
    plot = graph.plot([0.0, 0.0, 0.0, 1.0], height=1, top=1.0)
    assert plot.rows == (" ⢸",)


def test_a_full_column_fills_every_row_and_a_small_one_shows_a_dot() -> None:
    plot = graph.plot([4.0, 0.001], height=2, top=4.0)
    assert plot.rows == ("⡇", "⣇")


def test_what_is_above_the_scale_is_cut_at_the_edge() -> None:
    assert graph.plot([9.0, 9.0], height=1, top=4.0).rows == ("⣿",)


def test_the_limit_is_a_line_where_nothing_is_drawn() -> None:
    plot = graph.plot([1.0, 1.0, 0.0, 0.0], height=4, top=4.0, limit=4.0)
    assert plot.limit_row == 0
    assert plot.rows[0] == graph.LIMIT_LINE * 2
    assert graph.plot([1.0, 1.0], height=2, top=4.0, limit=9.0).limit_row == -1


def test_bins_are_aligned_so_that_most_of_a_graph_stands_still() -> None:
    samples = [Sample(time=float(second), cpu_cores=1.0) for second in range(100, 120)]

    def binned(now: float) -> list[float | None]:
        return graph.bin_samples(samples, lambda s: s.cpu_cores, now=now, step=4, bins=6)

    assert binned(119.0) == [None, *[1.0] * 5]
    assert binned(118.0) == binned(117.0)
    assert binned(120.0)[-1] is None


@pytest.mark.parametrize(
    ("values", "top"),
    [([0.01], 0.1), ([0.15], 0.2), ([0.21], 0.5), ([0.7], 1.0), ([3.0], 5.0), ([None], 0.1)],
)
def test_the_scale_ends_at_a_round_number(values: list[float | None], top: float) -> None:
    assert graph.nice_top(values, least=0.1) == pytest.approx(top)


def test_a_scale_of_bytes_doubles() -> None:
    assert graph.nice_top([300.0], least=64.0, binary=True) == 512.0


def test_the_span_fits_the_width() -> None:
    assert graph.bin_seconds(300, 40) == 4
    assert graph.bin_seconds(10, 40) == 1


@pytest.mark.parametrize("width", [3, 6, 12, 40])
def test_the_axis_is_as_wide_as_the_graph(width: int) -> None:
    axis = graph.time_axis(width, 300)
    assert len(axis) == width
    assert axis.endswith("now")
