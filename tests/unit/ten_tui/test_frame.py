"""The frame writes what differs, and a terminal shows exactly what was wanted."""

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from ten_tui.frame import Frame

STYLES = [
    Style(color="#ff0000", bgcolor="#101010"),
    Style(color="#00ff00", bgcolor="#101010"),
    Style(color="#00ff00", bgcolor="#202020", bold=True),
    Style(reverse=True),
    None,
]


class Screen:
    """A terminal, and what a frame sent it."""

    def __init__(self, width: int = 20, height: int = 8) -> None:
        self.frame = Frame(ColorSystem.TRUECOLOR)
        self.frame.resize(width, height)
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.screen)
        self.stream.feed("\x1b[?7l")  # as the driver does: the last column does not wrap
        self.sent = ""

    def flush(self) -> str:
        self.sent = self.frame.flush()
        self.stream.feed(self.sent)
        return self.sent

    def row(self, y: int) -> str:
        return self.screen.display[y].rstrip()

    def cell(self, x: int, y: int) -> tuple[str, str, str, bool, bool]:
        char = self.screen.buffer[y][x]
        return char.data, char.fg, char.bg, char.bold, char.reverse


def test_writes_only_the_cells_that_differ() -> None:
    screen = Screen(40, 3)
    screen.frame.put(0, 1, [Segment("cpu 0.42 cores of alice", STYLES[0])])
    screen.flush()
    screen.frame.put(0, 1, [Segment("cpu 0.57 cores of alice", STYLES[0])])
    sent = screen.flush()
    assert screen.row(1) == "cpu 0.57 cores of alice"
    assert "cores" not in sent
    assert len(sent) < 40


def test_writes_nothing_where_nothing_differs() -> None:
    screen = Screen()
    screen.frame.put(0, 0, [Segment("same", STYLES[1])])
    screen.flush()
    screen.frame.put(0, 0, [Segment("same", STYLES[1])])
    assert screen.flush() == ""


def test_moved_rows_are_moved_by_the_terminal() -> None:
    screen = Screen(30, 10)
    lines = [f"line {number} of a log that goes on" for number in range(20)]
    for y in range(10):
        screen.frame.put(0, y, [Segment(lines[y].ljust(30), STYLES[0])])
    whole = len(screen.flush())
    for y in range(10):
        screen.frame.put(0, y, [Segment(lines[y + 2].ljust(30), STYLES[0])])
    moved = screen.flush()
    assert [screen.row(y) for y in range(10)] == [line[:30].rstrip() for line in lines[2:12]]
    assert "\x1b[2M" in moved
    assert len(moved) < whole / 3


def test_control_characters_never_pass() -> None:
    screen = Screen()
    screen.frame.put(0, 0, [Segment("a\x1b]52;c;eA==\x07b\x9b31m\u202ec\x00", STYLES[0])])
    sent = screen.flush()
    assert "\x1b]" not in sent
    assert not set("\x07\x00\x9b\u202e") & set(sent)


def test_wide_and_combining_characters_keep_the_columns() -> None:
    screen = Screen()
    screen.frame.put(0, 0, [Segment("日本e\u0301x|", STYLES[0])])
    screen.flush()
    assert screen.cell(6, 0)[0] == "|"
    screen.frame.put(1, 0, [Segment("z", STYLES[0])])
    screen.flush()
    assert screen.cell(1, 0)[0] == "z"
    assert screen.cell(0, 0)[0] == " "
    assert screen.cell(6, 0)[0] == "|"


def test_rows_and_columns_outside_are_dropped() -> None:
    screen = Screen(5, 2)
    screen.frame.put(3, 1, [Segment("abcdef", None)])
    screen.frame.put(0, 9, [Segment("x", None)])
    screen.frame.put(9, 0, [Segment("x", None)])
    screen.flush()
    assert screen.row(1) == "   ab"


def test_after_invalidate_all_is_written_again() -> None:
    screen = Screen()
    screen.frame.put(0, 0, [Segment("hello", STYLES[0])])
    screen.flush()
    screen.screen.reset()
    screen.frame.invalidate()
    screen.flush()
    assert screen.row(0) == "hello"


@pytest.mark.parametrize("system", [None, ColorSystem.STANDARD, ColorSystem.EIGHT_BIT])
def test_colours_are_those_the_terminal_has(system: ColorSystem | None) -> None:
    frame = Frame(system)
    frame.resize(4, 1)
    frame.put(0, 0, [Segment("abcd", Style(color="#ff0000", bold=True))])
    sent = frame.flush()
    assert "38;2" not in sent
    assert ("38;5" in sent) == (system is ColorSystem.EIGHT_BIT)
    assert "1" in sent


WORDS = st.sampled_from(["alpha", "b", "  ", "日本", "│x│", "e\u0301e", "0.42", "longer text here"])
PUTS = st.lists(
    st.tuples(st.integers(0, 19), st.integers(0, 7), WORDS, st.sampled_from(range(len(STYLES)))),
    max_size=12,
)


@given(st.lists(PUTS, min_size=1, max_size=6), st.booleans())
def test_any_updates_end_as_if_written_whole(steps: list[list], can_erase: bool) -> None:
    screen, whole = Screen(), Screen()
    screen.frame._can_erase = can_erase
    for puts in steps:
        for x, y, text, style in puts:
            for target in (screen, whole):
                target.frame.put(x, y, [Segment(text, STYLES[style])])
        screen.flush()
    whole.flush()
    assert screen.screen.display == whole.screen.display
    for y in range(8):
        for x in range(20):
            one, other = screen.cell(x, y), whole.cell(x, y)
            if one[0] == " " == other[0]:
                # The ink of a blank cannot be seen.
                assert (one[2], one[4]) == (other[2], other[4])
            else:
                assert one == other


@given(st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 7), st.integers(0, 7)), max_size=8))
def test_any_scrolling_ends_as_if_written_whole(moves: list[tuple[int, int, int]]) -> None:
    screen = Screen(20, 8)
    numbers = list(range(100, 108))
    for shift, first, last in moves:
        low, high = min(first, last), max(first, last) + 1
        numbers[low:high] = [number + shift for number in numbers[low:high]]
        for y, number in enumerate(numbers):
            screen.frame.put(0, y, [Segment(f"row {number}".ljust(20), STYLES[number % 2])])
        screen.flush()
        assert [screen.row(y) for y in range(8)] == [f"row {number}" for number in numbers]


def test_an_erased_tail_takes_every_change_in_it() -> None:
    screen = Screen(60, 1)
    text, note = Segment("old text", STYLES[1]), Segment("old note", STYLES[1])
    blank = Segment(" " * 60, STYLES[1])
    screen.frame.put(0, 0, [blank])
    screen.frame.put(2, 0, [text])
    screen.frame.put(52, 0, [note])
    screen.flush()
    screen.frame.put(0, 0, [blank])
    screen.flush()
    assert screen.row(0) == ""
