"""A template does not depend on what it leaves out, and is its own."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.templates import MAX_CHARACTERS, difference, template

lines = st.text(st.characters() | st.sampled_from("0123456789abcdef-:.[]/+ \t\x1b"), max_size=80)


@given(lines)
def test_a_template_is_its_own(line: str) -> None:
    once = template(line)
    assert template(once) == once
    assert len(once) <= MAX_CHARACTERS
    assert not any(digit in once for digit in "0123456789")


@given(
    st.text(st.sampled_from("abc ghi,="), max_size=30),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.uuids(),
    st.uuids(),
)
def test_numbers_and_ids_make_no_difference(
    word: str, first: int, second: int, one: object, other: object
) -> None:
    assert template(f"{word} {first} id {one}") == template(f"{word} {second} id {other}")


@given(st.lists(lines, max_size=8), st.lists(lines, max_size=8))
def test_every_line_is_counted_once(old: list[str], new: list[str]) -> None:
    found = difference(old, new, most=100)
    assert sum(each.old for each in found) == len(old)
    assert sum(each.new for each in found) == len(new)
    assert len({each.template for each in found}) == len(found)
