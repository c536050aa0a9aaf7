"""Sanitised text steers nothing, whatever it was made of."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from engine.core.sanitize import sanitize

STEERING = {"Cc", "Cf", "Zl", "Zp", "Cs"}

any_text = st.one_of(
    st.text(st.characters()),
    st.text(st.sampled_from("\x1b\x9b\x9d\x90\x9c\x07\\[]P?;0m\r\n\t\u202e\u200bx")),
    st.binary().map(lambda data: data.decode("utf-8", "replace")),
    st.binary().map(lambda data: data.decode("latin-1")),
    st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")),
)


@given(any_text, st.integers(1, 16))
@example("\x1b\x1b[0m[31m", 8)
def test_no_control_character_survives(text: str, tab: int) -> None:
    shown = sanitize(text, tab)
    assert not [c for c in shown if unicodedata.category(c) in STEERING]
    shown.encode()


@given(any_text, st.integers(0, 16))
def test_sanitised_text_stays_as_it_is(text: str, tab: int) -> None:
    once = sanitize(text, tab)
    assert sanitize(once, tab) == once


@given(st.text(st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x24F)))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert sanitize(text) == text
