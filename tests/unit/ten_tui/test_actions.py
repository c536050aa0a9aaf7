"""The registry: every action can be done, found, typed and explained."""

from collections import Counter

import pytest

from ten_tui import actions
from ten_tui.commands import Commands
from ten_tui.store.arrange import PaneId


def test_ids_are_unique_and_every_action_has_a_method() -> None:
    assert max(Counter(action.id for action in actions.ACTIONS).values()) == 1
    for action in actions.ACTIONS:
        assert action.id.startswith("pane_") or callable(getattr(Commands, action.id)), action.id


def test_no_key_means_two_things_in_one_pane() -> None:
    for pane in PaneId:
        used = Counter(
            key for action in actions.ACTIONS if pane in action.panes for key in action.keys
        )
        assert all(number == 1 for number in used.values()), (pane, used)
    anywhere = Counter(key for a in actions.ACTIONS if not a.panes for key in a.keys)
    assert all(number == 1 for number in anywhere.values())


def test_nothing_depends_on_keys_that_terminals_take() -> None:
    taken = {"ctrl+s", "ctrl+q", "ctrl+b", "ctrl+a"}
    for action in actions.ACTIONS:
        assert not taken & set(action.keys)
        assert not any(key.startswith("f") and key[1:].isdigit() for key in action.keys)


def test_a_pane_goes_before_everywhere() -> None:
    found = actions.find(PaneId.LOG, "w")
    assert found is not None
    assert found.id == "wrap"
    found = actions.find(PaneId.TABLE, "w")
    assert found is not None
    assert found.id == "weight"
    assert actions.find(PaneId.TABLE, "ctrl+y") is None


@pytest.mark.parametrize("pane", list(PaneId))
def test_the_foot_line_shows_six_to_eight_keys_where_there_are_that_many(pane: PaneId) -> None:
    shown = actions.hints(pane)
    assert 3 <= len(shown) <= 8
    assert ("?", "help", False) in shown
    assert sum(len(key) + len(word) + 3 for key, word, _ in shown) <= 80


def test_the_help_has_every_action_with_a_key() -> None:
    for pane in PaneId:
        listed = {a.id for _, rows in actions.help_rows(pane) for a in rows}
        offered = {a.id for a in actions.ACTIONS if a.keys}
        if pane is PaneId.LOG:
            # Digits are presets of time there.
            offered -= {f"pane_{place}" for place in range(1, len(PaneId) + 1)}
        assert listed == offered
    assert actions.help_rows(PaneId.LOG)[0][0] != "Everywhere"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("restart api:bob", "restart", ["api:bob"]),
        ("ten logs api:bob -f", "logs", ["api:bob", "-f"]),
        ("start api:x", "spawn", ["api:x"]),
        ("rest", "restart", []),
        ("events", "pane_4", []),
        ("next-pane", "next_pane", []),
    ],
)
def test_typed_commands(text: str, name: str, words: list[str]) -> None:
    parsed = actions.parse_command(text)
    assert parsed is not None
    assert (parsed[0].id, parsed[1]) == (name, words)


@pytest.mark.parametrize("text", ["", "ten", "p", "xyzzy"])
def test_what_is_unknown_or_could_be_two_is_refused(text: str) -> None:
    assert actions.parse_command(text) is None


def test_fuzzy_prefers_what_stands_together() -> None:
    straight, spread = fuzzy_of("pane"), fuzzy_of("pe")
    assert straight < spread
    assert actions.fuzzy("zq", "next pane") is None
    assert actions.fuzzy("", "anything") == 0


def fuzzy_of(query: str) -> int:
    cost = actions.fuzzy(query, "next pane")
    assert cost is not None
    return cost


def test_keys_are_written_as_people_call_them() -> None:
    assert actions.key_label("ctrl+d") == "Ctrl-D"
    assert actions.key_label("shift+tab") == "⇧Tab"
    assert actions.keys_label(actions.BY_ID["since"]) == "0…6"
