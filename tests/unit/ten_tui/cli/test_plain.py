"""ten_tui.cli.plain and top: the console's facts as lines, and its table alone."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.core.wire import Samples
from ten_tui.cli.top import Pad
from ten_tui.store.table import Table
from ten_tui.store.view import View
from tests.served import Served
from tests.tui.fake import demo_engine
from tests.unit.ten_tui.cli.conftest import Ten


def test_everything_is_said_in_lines(ten: Ten, served: Served) -> None:
    ran = ten("--plain")
    assert (ran.code, ran.err) == (0, "")
    assert "Instances: " in ran.out
    assert "Host: cpu " in ran.out
    assert "\x1b" not in ran.out
    for name in served.control.views:
        assert f"\n{name}: " in ran.out
    assert ten("console", "--plain").out.splitlines()[1] == ran.out.splitlines()[1]


def test_follow_goes_with_plain(ten: Ten, served: Served) -> None:
    ran = ten("--follow")
    assert ran.code == 1
    assert "--follow goes with --plain" in ran.err


def test_following_says_what_happens_until_the_engine_goes(ten: Ten, project: Path) -> None:
    with Served(project / "data") as served:
        name = next(iter(served.control.views))

        def act() -> None:
            served.call(served.control.stop(name, actor="eva"))
            time.sleep(0.3)
            served.end()

        acting = threading.Timer(0.3, act)
        acting.start()
        ran = ten("--plain", "--follow")
        acting.join()
    assert ran.code == 1
    assert "went away" in ran.err
    told = ran.out.partition("\nEvents")[2] or ran.out
    assert f"\n{name}: stopped" in told


def test_one_table(ten: Ten, served: Served) -> None:
    ran = ten("top", "--once", "--sort", "cpu")
    assert ran.code == 0
    head, *rows, summed = ran.out.splitlines()
    assert head.startswith("instance")
    assert {row.split()[0] for row in rows} == set(served.control.views)
    assert summed.startswith(f"{len(rows)} instances (")
    assert "\x1b" not in ran.out
    samples = Samples(host=served.control.host, instances={})
    ticking = threading.Timer(0.3, served.do, (served.control.broadcaster.publish, samples))
    ticking.start()
    assert ten("top", "-n", "2").out.count("instance ") == 2
    ticking.join()
    only = ten("top", "--once", "--filter", rows[0].split()[0]).out
    assert len(only.splitlines()) == 3


@pytest.mark.parametrize("arguments", [["--plain"], ["top", "--once"]])
def test_neither_needs_textual(served: Served, arguments: list[str]) -> None:
    code = (
        "import sys; from ten_tui.cli import main; code = main(sys.argv[1:]);"
        "assert 'textual' not in sys.modules and 'rich.console' not in sys.modules; sys.exit(code)"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(root), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"?" not in done.stdout.splitlines()[-1]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(environ: dict[str, str]) -> str:
    view, out = View(), Terminal()
    view.apply(demo_engine().snapshot())
    pad = Pad(out, environ)
    pad.draw(view, Table(is_grouped=False))
    first = out.getvalue()
    pad.draw(view, Table(is_grouped=False))
    return out.getvalue()[len(first) :]


def test_a_terminal_has_one_table_drawn_over_the_last() -> None:
    text = shown({"TERM": "xterm"})
    assert text.startswith("\x1b[11A\r\x1b[1minstance")
    assert "\x1b[31m✖ failed" in text
    plain = shown({"TERM": "xterm", "NO_COLOR": "1"})
    assert plain.startswith("\x1b[11A\rinstance")
    assert "m✖" not in plain


def test_a_dumb_terminal_has_no_sequences() -> None:
    assert "\x1b" not in shown({"TERM": "dumb"})
    assert "\x1b" not in shown({})
