"""Graphs as text."""

import pytest

from ten_tui.store import graph
from ten_tui.store.graph import Frame, Part, Rendering, rendering_of
from ten_tui.store.past import Bin


def plot(
    values: list[float | None], height: int, top: float, highs: object = None, **more: object
) -> graph.Plot:
    peaks = highs if isinstance(highs, list) else values
    bins = [
        None if value is None else Bin(value, high)
        for value, high in zip(values, peaks, strict=True)
    ]
    return graph.plot(bins, Frame(height, top, **more))  # type: ignore[arg-type]


def test_the_newest_value_is_at_the_right_edge() -> None:
    assert plot([0.0, 0.0, None, 1.0], 1, 1.0).rows == (" ⢸",)


def test_a_full_column_fills_every_row_and_a_small_one_shows_a_dot() -> None:
    assert plot([4.0, 0.001], 2, 4.0).rows == ("⡇", "⣇")


def test_what_is_above_the_scale_is_cut_at_the_edge() -> None:
    assert plot([9.0, 9.0], 1, 4.0).rows == ("⣿",)


def test_the_limit_is_a_line_where_nothing_is_drawn() -> None:
    drawn = plot([1.0, 1.0, 0.0, 0.0], 4, 4.0, limit=4.0)
    assert drawn.limit_row == 0
    assert drawn.rows[0] == Rendering.BRAILLE.limit * 2
    assert drawn.runs(0) == [("╌╌", Part.LIMIT)]
    assert plot([1.0, 1.0], 2, 4.0, limit=9.0).limit_row == -1


def test_peaks_stand_faint_above_the_means() -> None:
    drawn = plot([1.0, 1.0, 0.0, 0.0], 4, 4.0, highs=[4.0, 4.0, 0.0, 0.0])
    assert [drawn.parts[row][0] for row in range(4)] == [Part.PEAK] * 3 + [Part.FILL]
    assert drawn.parts[0][1] is Part.BLANK


def test_the_cursor_is_a_line_through_the_graph() -> None:
    drawn = plot([4.0] * 4 + [0.0] * 2, 2, 4.0, cursor=2)
    assert [row[2] for row in drawn.rows] == ["│", "│"]
    assert plot([4.0] * 4, 1, 4.0, cursor=1).parts[0] == (Part.FILL, Part.CURSOR)


def test_throttled_columns_are_marked_at_the_upper_edge() -> None:
    drawn = plot([1.0] * 6, 3, 4.0, throttled=frozenset({3}))
    assert drawn.parts[0] == (Part.BLANK, Part.THROTTLE, Part.BLANK)


@pytest.mark.parametrize(
    ("rendering", "rows"), [(Rendering.BLOCKS, (" ▄", "█▄"[::-1])), (Rendering.PLAIN, (" .", ".#"))]
)
def test_other_renderings_have_a_column_a_cell(rendering: Rendering, rows: tuple[str, str]) -> None:
    assert plot([1.0, 3.0], 2, 4.0, rendering=rendering).rows == rows


@pytest.mark.parametrize(
    ("environ", "encoding", "wanted"),
    [
        ({"TERM": "xterm-256color"}, "utf-8", Rendering.BRAILLE),
        ({"TERM": "tmux"}, "UTF-8", Rendering.BRAILLE),
        ({"TERM": "linux"}, "utf-8", Rendering.BLOCKS),
        ({"TERM": "dumb"}, "utf-8", Rendering.PLAIN),
        ({"TERM": "xterm"}, "ANSI_X3.4-1968", Rendering.PLAIN),
        ({"TERM": "linux", "TEN_GRAPHS": "plain"}, "utf-8", Rendering.PLAIN),
        ({"TERM": "xterm", "TEN_GRAPHS": "nonsense"}, "utf-8", Rendering.BRAILLE),
    ],
)
def test_graphs_are_drawn_by_what_the_terminal_can_do(
    environ: dict[str, str], encoding: str, wanted: Rendering
) -> None:
    assert rendering_of(environ, encoding) is wanted


@pytest.mark.parametrize(
    ("values", "top"),
    [([0.01], 0.1), ([0.15], 0.2), ([0.21], 0.5), ([0.7], 1.0), ([3.0], 5.0), ([None], 0.1)],
)
def test_the_scale_ends_at_a_round_number(values: list[float | None], top: float) -> None:
    assert graph.nice_top(values, least=0.1) == pytest.approx(top)


def test_a_scale_of_bytes_doubles() -> None:
    assert graph.nice_top([300.0], least=64.0, binary=True) == 512.0


@pytest.mark.parametrize("width", [3, 6, 12, 40])
def test_the_axis_is_as_wide_as_the_graph(width: int) -> None:
    axis = graph.time_axis(width, 300)
    assert len(axis) == width
    assert axis.endswith("now"[-width:])
    assert len(graph.clock_axis(width, 1e9, 1e9 + 300)) == width


def test_the_axis_names_its_edges() -> None:
    assert graph.time_axis(30, 300).split() == ["-5m", "-2m30s", "now"]
    assert graph.time_axis(30, 5400).split() == ["-1h30m", "-45m", "now"]
    assert graph.time_axis(30, 90 * 86400).split() == ["-90d", "-45d", "now"]
    long = graph.clock_axis(60, 1_750_000_000, 1_750_000_000 + 7 * 86400)
    assert [word.count("-") for word in long.split()] == [1, 0] * 3
