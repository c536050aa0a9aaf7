"""The example, as `make demo` runs it: with and without a terminal."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


class Demo:
    """A copy of the example, so that one that runs in the checkout is left alone."""

    def __init__(self, folder: Path) -> None:
        self.script = shutil.copytree(
            ROOT / "examples",
            folder / "examples",
            ignore=shutil.ignore_patterns("tenement-data", "__pycache__"),
        ).joinpath("demo.py")
        self.config = self.script.parent / "demo" / "tenement.toml"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, self.script, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    found = Demo(tmp_path)
    yield found
    found.run("--stop")


def test_without_a_terminal_it_shows_what_runs_and_stops_it(demo: Demo) -> None:
    done = demo.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^INSTANCE +LISTEN +UPTIME +IDLE +HEALTH +WEIGHT *$", done.stdout, re.MULTILINE
    )
    for tenant in ("alice", "bob", "carol"):
        assert re.search(
            rf"^notes:{tenant} +127.0.0.1:\d+ .* healthy +100", done.stdout, re.MULTILINE
        )
    assert re.search(r"^\d\d:\d\d:\d\d \[(OUT|ERR)\] \w+:\w+ ", done.stdout, re.MULTILINE)
    assert demo.run("--stop").stdout == "The demo does not run.\n"


def test_one_that_does_not_come_up_is_named(demo: Demo) -> None:
    text = demo.config.read_text()
    demo.config.write_text(text.replace("python3 worker.py", "python3 gone.py"))
    script = demo.script.read_text()
    demo.script.write_text(script.replace("WAIT_SECONDS = 60", "WAIT_SECONDS = 3"))
    done = demo.run()
    assert done.returncode == 1
    assert re.search(r"^worker:nightly did not come up: exited with 2", done.stdout, re.MULTILINE)
    assert "[ERR] worker:nightly" in done.stdout
    assert "gone.py': [Errno 2] No such file or directory" in done.stdout
    assert "worker:nightly is starting" in done.stdout, "the engine's own log"


def test_a_config_the_engine_refuses_is_told_in_its_place(demo: Demo) -> None:
    demo.config.write_text(demo.config.read_text().replace('wake = "known"', 'wake = "knwon"'))
    done = demo.run()
    assert done.returncode == 1
    assert "service.sleepy.wake" in done.stdout + done.stderr


class Terminal:
    """A console on a terminal of its own."""

    def __init__(self, *command: str | Path) -> None:
        self.shown = ""
        pid, self._fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
            os.execv(command[0], [os.fspath(word) for word in command])
        self._pid = pid

    def until(self, text: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was never shown: {self.shown[-2000:]!r}"
            if select.select([self._fd], [], [], 0.2)[0]:
                self.shown += os.read(self._fd, 65536).decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait(self) -> int:
        """Wait for its end and give its exit status."""
        while True:
            try:
                self.shown += os.read(self._fd, 65536).decode(errors="replace")
            except OSError:
                break
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def test_leaving_the_console_leaves_all_running_and_it_can_be_come_back_to(demo: Demo) -> None:
    for _ in range(2):
        terminal = Terminal(sys.executable, demo.script)
        terminal.until("alice")
        terminal.press("q")
        terminal.until("The demo goes on.")
        assert terminal.wait() == 0
    looked_at = demo.run()
    assert looked_at.returncode == 0, looked_at.stdout + looked_at.stderr
    assert "notes:alice" in looked_at.stdout
    assert demo.run("--stop").returncode == 0
    assert demo.run("--stop").stdout == "The demo does not run.\n"
