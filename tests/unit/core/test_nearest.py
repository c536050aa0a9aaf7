"""engine.core.nearest: the word somebody may have meant."""

from enum import StrEnum

import pytest

from engine.core.nearest import did_you_mean, nearest


class Word(StrEnum):
    ALWAYS = "always"
    NEVER = "never"


@pytest.mark.parametrize(
    ("text", "near"),
    [("alway", "always"), ("nevr", "never"), ("never", "never"), ("zzz", ""), ("", "")],
)
def test_the_one_most_like_it(text: str, near: str) -> None:
    assert nearest(text, Word) == near
    assert did_you_mean(text, iter(Word)) == (f"did you mean {near}?" if near else "")


def test_a_text_of_any_length_is_compared_by_its_beginning() -> None:
    assert nearest("a" * 10**7, ["a" * 60, "b"]) == "a" * 60
    assert nearest("x", []) == ""
