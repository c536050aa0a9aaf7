"""Lists to choose from."""

from ten_tui.actions import fuzzy
from ten_tui.store.picker import Item, Picker

ITEMS = [
    Item("", "leave it", key="n"),
    Item("do", "stop all 12", key="y"),
    Item("x", "off", is_off=True),
]


def test_the_harmless_answer_comes_first() -> None:
    picker = Picker("stop?", ITEMS)
    assert picker.press("enter", None) == ""
    assert picker.press("y", "y") == "do"
    assert picker.press("n", "n") == ""
    assert picker.press("j", "j") is None
    assert picker.press("enter", "\r") == "do"
    assert picker.press("escape", None) == ""
    assert picker.press("q", "q") == ""


def test_what_is_off_cannot_be_chosen() -> None:
    picker = Picker("menu", ITEMS)
    picker.press("end", None)
    assert picker.chosen == ITEMS[2]
    assert picker.press("enter", None) is None


def test_typing_narrows_and_the_best_is_first() -> None:
    picker = Picker(
        "actions", [Item("a", "next pane"), Item("b", "pane two"), Item("c", "zoom")], rate=fuzzy
    )
    for char in "pane":
        assert picker.press(char, char) is None
    assert [item.id for item in picker.found()] == ["b", "a"]
    picker.press("down", None)
    assert picker.press("enter", None) == "a"
    for char in "zzz":
        picker.press(char, char)
    assert picker.chosen is None
    assert picker.press("enter", None) is None


def test_the_cursor_is_in_view() -> None:
    picker = Picker("long", [Item(str(n), f"item {n}") for n in range(50)])
    for _ in range(3):
        picker.press("pagedown", None)
    shown = picker.scroll(5)
    assert [item.id for item, is_here in shown if is_here] == ["30"]
    assert len(shown) == 5
