"""The console in a real terminal: what reaches it, and what happens when it is slow or gone."""

import base64
import re
import sys
import time
from pathlib import Path

import pytest

from tests.require import require_program
from tests.tui.pty_console import Terminal

FAKE = ["-m", "tests.tui.fake_console"]
HOSTILE = ["-m", "tests.tui.fake_console", "--hostile"]


def test_first_paint_keys_and_leaving_restore_the_terminal() -> None:
    with Terminal(FAKE) as seen:
        seen.until("● healthy")
        seen.press("j")
        seen.until("log api:bob")
        seen.press("q")
        assert seen.wait_gone(3.0)
        seen.read(0.2)
    assert seen.written.count(b"\x1b[?1049h") == seen.written.count(b"\x1b[?1049l") == 1
    assert b"\x1b[?1003h" not in seen.written, "all motion of the mouse is not asked for"
    assert seen.written.rindex(b"\x1b[?25h") > seen.written.rindex(b"\x1b[?25l")


ALLOWED = re.compile(
    rb"\x1b\[[0-9;]*[mHCKrML]"  # pens, places, erasing, scrolling
    rb"|\x1b\[\?(?:1049|1000|1002|1006|25|1004|2004|7|2026|2048)[hl]"
    rb"|\x1b\[\?(?:2026|2048)\$p"
    rb"|\x1b\[[<>][0-9]*u"
    rb"|\x1b\]22;[a-z]*(?:\x07|\x1b\\)"  # the shape of the pointer
)


def test_hostile_output_never_reaches_the_terminal_as_control() -> None:
    with Terminal(HOSTILE) as seen:
        seen.until("HOSTILE-END")
        for key in "jjjkkl" + "w" + "ggG" + "/":
            seen.press(key)
            seen.read(0.15)
        seen.press("\x1b")
        seen.read(0.3)
        rest = ALLOWED.sub(b"", bytes(seen.written)).decode()
        bad = sorted({char for char in rest if not char.isprintable()})
        assert bad == [], rest[:2000]
        assert [len(row) for row in seen.screen.display] == [100] * 30
        # Columns to the right of hostile text stay where they are.
        assert seen.screen.display[0].rstrip().endswith("ms")


def test_a_terminal_that_hangs_up_ends_the_console_even_without_the_signal() -> None:
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "import sys; sys.argv = ['x']; from tests.tui.fake_console import main; main()"
    )
    with Terminal(["-c", code]) as seen:
        seen.until("● healthy")
        seen.hang_up()
        assert seen.wait_gone(6.0), "the console spins on"


def test_a_terminal_that_does_not_read_blocks_nothing_and_gets_the_newest_frame() -> None:
    with Terminal([*FAKE, "--lines", "20000"]) as seen:
        seen.until("following")
        time.sleep(2.5)
        seen.press("?")
        time.sleep(0.3)
        seen.until("keys · instances", 3.0)
        seen.press("\x1b")
        seen.until("following", 3.0)


def test_ctrl_c_detaches_also_from_the_help() -> None:
    with Terminal(FAKE) as seen:
        seen.until("● healthy")
        seen.press("?")
        seen.until("keys · instances")
        seen.press("\x03")
        assert seen.wait_gone(6.0)


def test_resizing_to_tiny_and_back_draws_all_again() -> None:
    with Terminal(FAKE) as seen:
        seen.until("● healthy")
        for size in ((20, 5), (3, 2), (200, 60), (80, 24)):
            seen.resize(*size)
            seen.read(0.5)
        seen.screen.reset()
        seen.resize(81, 24)
        for part in ("build-7", "req/s", "instances 9", "● healthy", "following", "? help"):
            seen.until(part)
        assert len(seen.screen.display) == 24


def test_the_terminal_tells_the_size_whatever_the_environment_says() -> None:
    with Terminal(FAKE, COLUMNS="60", LINES="12") as seen:
        seen.until("● healthy")
        # The last row is the foot line's: at 12 lines it would be far above.
        seen.until("? help")
        assert "? help" in seen.screen.display[29]
        seen.resize(120, 40)
        end = time.monotonic() + 5.0
        while "? help" not in seen.screen.display[39]:
            assert time.monotonic() < end, seen.text
            seen.read(0.05)


def test_ctrl_l_writes_the_whole_screen_again() -> None:
    with Terminal(FAKE) as seen:
        seen.until("● healthy")
        seen.read(0.5)
        seen.screen.reset()
        seen.press("\x0c")
        for part in ("build-7", "instances 9", "following", "? help"):
            seen.until(part)


def test_copying_goes_by_osc_52() -> None:
    with Terminal(FAKE) as seen:
        seen.until("● healthy")
        seen.press("y")
        seen.until("copied by the terminal (OSC 52)")
        found = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", bytes(seen.written))
        assert found is not None
        assert base64.b64decode(found[1]) == b"api:alice"


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": "vt100"}])
def test_poor_terminals_get_a_picture(environ: dict[str, str]) -> None:
    with Terminal(FAKE, **environ) as seen:
        seen.until("healthy")
        assert b"38;2;" not in seen.written
        assert b"38;5;" not in seen.written


def test_inside_gnu_screen_it_is_drawn_and_leaves_nothing(tmp_path: Path) -> None:
    require_program("screen", "screen")
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    (tmp_path / "rc").write_text("startup_message off\n")
    words = ["screen", "-U", "-c", str(tmp_path / "rc"), sys.executable, *FAKE]
    start = f"import os; os.execvp('screen', {words!r})"
    with Terminal(["-c", start], SCREENDIR=str(sockets), LC_ALL="C.UTF-8") as seen:
        seen.until("● healthy", 20)
        seen.press("l")
        seen.until("following")
        seen.resize(80, 24)
        seen.until("? help")
        seen.press("\x03")
        assert seen.wait_gone(10)
    assert list(sockets.iterdir()) == []
