"""Rows put together: safe, cut, in columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from ten_tui.format import clean
from ten_tui.theme import Ground, Ink, load_themes, theme_dirs
from ten_tui.widgets import palette as palettes
from ten_tui.widgets.line import Line, cut
from ten_tui.widgets.palette import Palette

PLAIN = Style()
THEMES = load_themes(theme_dirs({"HOME": "/nonexistent"})).themes


@given(st.text(max_size=60), st.integers(0, 40))
def test_nothing_drawn_is_control_and_nothing_is_wider_than_its_place(
    text: str, width: int
) -> None:
    safe = clean(text)
    assert safe.isprintable()
    assert cell_len(cut(safe, width)) <= width


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(1, 50))
def test_a_strip_is_as_wide_as_asked(parts: list[str], width: int) -> None:
    line = Line()
    for part in parts:
        line.put(part, PLAIN)
    assert line.width == sum(cell_len(text) for text, _ in line.parts)
    line.fill(width, PLAIN)
    assert line.strip(width).cell_length == width


def test_cut_says_that_something_is_missing() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("日本語", 4) == "日…"
    assert cut("abc", 3) == "abc"
    assert cut("abc", 0) == ""


def test_text_can_be_set_to_a_column_and_to_the_right() -> None:
    line = Line().put("a", PLAIN).to(4, PLAIN).put("b", PLAIN)
    line.right("end", PLAIN, 12, PLAIN)
    assert "".join(text for text, _ in line.parts) == "a   b    end"
    tight = Line().put("abcdefgh", PLAIN).right("end", PLAIN, 10, PLAIN)
    assert tight.width == 10


@pytest.mark.parametrize("name", list(THEMES))
def test_a_palette_gives_every_role_and_greys_all_of_them(name: str) -> None:
    colour, grey = Palette(THEMES[name]), Palette(THEMES[name], is_grey=True)
    inks = set()
    for ink in Ink:
        for ground in Ground:
            assert colour.style(ink, ground) is colour.style(ink, ground)
            inks.add(grey.style(ink, ground, is_bold=True).color)
            assert not grey.style(ink, ground, is_bold=True).bold
    assert len(inks) <= 5
    for share in (0.0, 0.5, 1.0, 7.0):
        assert colour.ramp(share, Ground.SIDE) is not None


@pytest.mark.parametrize("colour", ["red", "#ffee00", "", "no colour", *palettes._BANNER])
def test_any_banner_colour_can_be_drawn(colour: str) -> None:
    for theme in THEMES.values():
        style = Palette(theme).banner(colour)
        assert style.bold
