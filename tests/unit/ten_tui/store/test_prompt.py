"""Typing a line."""

import pytest

from ten_tui.store.prompt import LONGEST, Prompt


def typed(keys: str) -> Prompt:
    prompt = Prompt()
    prompt.begin(":")
    for char in keys:
        prompt.press(char, char)
    return prompt


@pytest.mark.parametrize(
    ("keys", "text", "cursor"),
    [
        (["left", "left", "X"], "restart aXpi", 10),
        (["home", "delete"], "estart api", 0),
        (["ctrl+w"], "restart ", 8),
        (["left", "ctrl+k"], "restart ap", 10),
        (["ctrl+left", "ctrl+u"], "api", 0),
        (["backspace", "end"], "restart ap", 10),
        (["right", "home", "right"], "restart api", 1),
    ],
)
def test_editing(keys: list[str], text: str, cursor: int) -> None:
    prompt = typed("restart api")
    for key in keys:
        assert prompt.press(key, key if len(key) == 1 else None)
    assert (prompt.text, prompt.cursor) == (text, cursor)


def test_what_means_nothing_is_told() -> None:
    assert not Prompt().press("f5", None)


def test_pasted_controls_become_blanks_and_the_length_is_bounded() -> None:
    prompt = typed("")
    prompt.insert("a\nb\x1b[31m")
    assert prompt.text == "a b [31m"
    prompt.insert("x" * 9999)
    assert len(prompt.text) == LONGEST


def test_what_was_typed_before_comes_back() -> None:
    prompt = typed("first")
    prompt.accept()
    prompt.begin(":", "second")
    prompt.accept()
    prompt.accept()
    prompt.begin(":")
    prompt.press("up", None)
    assert prompt.text == "second"
    prompt.press("up", None)
    prompt.press("up", None)
    assert prompt.text == "first"
    prompt.press("down", None)
    prompt.press("down", None)
    assert prompt.text == ""
