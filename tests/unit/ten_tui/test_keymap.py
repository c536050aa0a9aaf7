"""The user's own keys: what a file may say, whose key it takes, and where its errors are told."""

from pathlib import Path

import pytest

from ten_tui import actions
from ten_tui.actions import ACTIONS
from ten_tui.keymap import Keymap, keys_stamp, load_keymap, parse_keymap, read_key
from ten_tui.store.arrange import PaneId


def keys(text: str) -> Keymap:
    return parse_keymap(f"[keys]\n{text}\n", "console.toml")


def found(keymap: Keymap, pane: PaneId, key: str) -> str:
    action = keymap.find(pane, key)
    return action.id if action else ""


def test_without_a_file_the_registry_holds(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load_keymap(environ) == Keymap(ACTIONS, ())
    assert keys_stamp(environ) == (0, 0)


def test_a_key_moves_and_its_former_owner_has_it_no_more() -> None:
    keymap = keys('restart = "x"')
    assert keymap.errors == ()
    assert found(keymap, PaneId.TABLE, "x") == "restart"
    assert found(keymap, PaneId.TABLE, "r") == ""
    assert found(keymap, PaneId.EVENTS, "x") == "", "menu gave its only key away"
    assert keymap.labels()["menu"] == ":menu"
    assert keymap.labels()["restart"] == "x"
    assert ("x", "restart", True) in keymap.hints(PaneId.TABLE)


def test_a_key_given_everywhere_is_not_hidden_by_a_panes_own() -> None:
    keymap = keys('undo = "w"')
    assert {found(keymap, pane, "w") for pane in PaneId} == {"undo"}


def test_a_panes_key_is_taken_from_what_holds_everywhere() -> None:
    keymap = keys('follow = "z"')
    assert found(keymap, PaneId.LOG, "z") == "follow"
    assert found(keymap, PaneId.TABLE, "z") == "", "the help would say two things of one key"


def test_several_keys_and_none() -> None:
    keymap = keys('undo = ["U", "Ctrl-Z", "U"]\nrestart = []')
    assert keymap.errors == ()
    assert found(keymap, PaneId.LOG, "ctrl+z") == "undo"
    assert found(keymap, PaneId.TABLE, "r") == ""
    assert "restart" not in [word for _, word, _ in keymap.hints(PaneId.TABLE)]
    assert "restart" not in {a.id for _, rows in keymap.help_rows(PaneId.TABLE) for a in rows}


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ('restrat = "R"', "2:1", 'no action is called "restrat"; did you mean restart?'),
        ("restart = 7", "2:11", "restart takes a key"),
        ('restart = ["R", 7]', "2:11", "restart takes a key"),
        ('restart = "Hyper-R"', "2:11", '"Hyper-R" is no key'),
        ('restart = ""', "2:11", '"" is no key'),
        ('restart = "Ctrl-C"', "2:11", "Ctrl-C always detaches"),
        ('since = ["a", "b"]', "2:9", "since takes 7 keys"),
        ('restart = "R"\ntoggle = "R"', "3:10", "toggle and restart have the same key"),
        ('undo = "U"\nmenu = ["X", "U"]', "3:8", "menu and undo have the same key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_passed_over(
    text: str, place: str, part: str
) -> None:
    keymap = keys(text + '\npalette = "P"')
    assert len(keymap.errors) == 1
    assert keymap.errors[0].startswith(f"console.toml:{place}: ")
    assert part in keymap.errors[0]
    assert found(keymap, PaneId.TABLE, "P") == "palette", "the rest of the file holds"
    assert found(keymap, PaneId.TABLE, "ctrl+c") == "detach"


def test_a_file_that_is_no_toml_changes_nothing() -> None:
    keymap = parse_keymap('[keys]\nrestart = "R', "console.toml")
    assert keymap.actions == ACTIONS
    assert keymap.errors[0].startswith("console.toml:2:")
    keymap = parse_keymap("keys = 3\ncolour = 1", "console.toml")
    assert [error[:16] for error in keymap.errors] == ["console.toml:2:1", "console.toml:1:1"]
    assert keymap.actions == ACTIONS


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "ten" / "console.toml"
    path.parent.mkdir()
    path.write_bytes(b"\xff")
    assert load_keymap(environ).errors == (f"{path}: it is no UTF-8 text",)
    path.unlink()
    path.mkdir()
    assert load_keymap(environ).errors == (f"{path}: Is a directory",)


def test_detach_keeps_its_key() -> None:
    keymap = keys('detach = "Q"')
    assert keymap.errors == ()
    assert found(keymap, PaneId.LOG, "Q") == found(keymap, PaneId.LOG, "ctrl+c") == "detach"


def test_presets_of_time_are_counted_by_their_place() -> None:
    keymap = keys('since = ["a", "b", "d", "f", "h", "o", "x"]')
    assert keymap.errors == ()
    since = keymap.find(PaneId.LOG, "d")
    assert since is not None
    assert since.keys.index("d") == 2
    assert actions.keys_label(since) == "a…x"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("R", "R"),
        (" ", "space"),
        ("Ctrl-R", "ctrl+r"),
        ("c-r", "ctrl+r"),
        ("ctrl+i", "tab"),
        ("PgUp", "pageup"),
        ("Shift-Tab", "shift+tab"),
        ("F5", "f5"),
        ("é", "é"),
        ("-", "-"),
        ("\x1b", None),
        ("F13", None),
        ("ctrl-ä", None),
        ("alt-r", None),
    ],
)
def test_keys_are_read_as_people_write_them(text: str, key: str | None) -> None:
    assert read_key(text) == key
