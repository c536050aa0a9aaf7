"""Events as a script, and the tour."""

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.core.wire import Event, EventKind
from ten_tui.actions import BY_ID
from ten_tui.keymap import Keymap, parse_keymap
from ten_tui.store.script import as_script, marked
from ten_tui.store.tour import tour_facts
from tests.tui.demo import T0


def event(number: int, text: str = "", command: str = "") -> Event:
    return Event(
        id=number,
        time=T0 + number,
        kind=EventKind.ACTION,
        text=text or f"event {number}",
        actor="root" if command else "engine",
        command=command,
    )


EVENTS = [event(n) for n in (5, 6, 8, 9)]


@pytest.mark.parametrize(
    ("mark", "cursor", "ids"),
    [
        (6, 2, [6, 8]),
        (8, 1, [6, 8]),
        (6, 1, [6]),
        (1, 1, [5, 6]),
        (7, 3, [8, 9]),
        (99, 0, [5, 6, 8, 9]),
        (5, 99, [5, 6, 8, 9]),
    ],
)
def test_a_stretch_goes_either_way(mark: int, cursor: int, ids: list[int]) -> None:
    assert [one.id for one in marked(EVENTS, mark, cursor)] == ids
    assert marked([], mark, cursor) == []


def test_a_script_does_what_was_done_and_nothing_a_text_says(tmp_path: Path) -> None:
    events = [
        event(1, "weight of api:bob set to 50", "ten weight api:bob 50"),
        event(2, "crashed\ntouch harm\r\x1b[2J\u2028touch harm"),
        event(3, "odd", "touch harm"),
        event(4, "restarted", "ten restart api:bob"),
    ]
    text = as_script(events, "host\ntouch harm")
    assert text.startswith("#!/bin/sh -e\n# host")
    ten = tmp_path / "ten"
    ten.write_text('#!/bin/sh\necho "$@" >> done\n')
    ten.chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run(
        [shell, "-c", text], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "done").read_text() == "weight api:bob 50\nrestart api:bob\n"
    assert not (tmp_path / "harm").exists()


def test_the_tour_is_ten_lines_with_the_keys_in_force() -> None:
    facts = tour_facts(Keymap().labels())
    assert len(facts) == 10
    assert all(fact.label.strip() for fact in facts)
    assert facts[3].label == "r s"
    mine = parse_keymap('[keys]\nrestart = "R"\n', "x").labels()
    assert tour_facts(mine)[3].label == "R s"
    assert set(mine) == set(BY_ID)
