"""A bad night in tmux: a version fails; why, its log, back, and back again: by keys, by mouse."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.require import require_program
from tests.tui.pty_console import ROOT, Terminal

CONFIG = f"""
[settings]
health_check_interval = 1

[service.web]
command = "{TENANT} --lines 20"
isolation = "process"
health = "/health"
restart = "never"
stop_grace = 1

[service.app]
command = "{TENANT} --lines 20"
isolation = "process"
health = "/health"
restart = "never"
stop_grace = 1
"""
TMUX = "set -g mouse on\nset -g status off\nset -sg escape-time 0\n"
RUN = """
import os, sys
for name in ("COLUMNS", "LINES"):  # the size of the terminal that the tests are run in
    os.environ.pop(name, None)
os.execvp("tmux", ["tmux", *sys.argv[1:]])
"""


class Walker(Terminal):
    """A terminal with tmux in it, and the console in that."""

    def row(self, text: str) -> tuple[int, int]:
        """Give where a text is: column and row, from 1."""
        for y, line in enumerate(self.screen.display, 1):
            if text in line:
                return line.index(text) + 1, y
        raise AssertionError(f"{text!r} is not there\n{self.text}")

    def click(self, text: str, *, times: int = 1, button: int = 0) -> None:
        self.read(0.4)  # else tmux takes it for the second click of the one before
        x, y = self.row(text)
        x += 4
        for _ in range(times):
            self.press(f"\x1b[<{button};{x};{y}M\x1b[<{button};{x};{y}m")


@contextmanager
def console_in_tmux(run: EngineRun, tmp_path: Path) -> Iterator[Walker]:
    """Start a server of tmux of our own; it ends with the console."""
    (tmp_path / "tmux.conf").write_text(TMUX)
    tmux = ["-S", str(tmp_path / "tmux"), "-f", str(tmp_path / "tmux.conf")]
    console = f"cd {ROOT} && exec {sys.executable} -m ten_tui.cli"
    words = [*tmux, "new-session", f"{console} --data-dir {run.data_dir} console"]
    try:
        with Walker(["-c", RUN, *words], (120, 40), LC_ALL="C.UTF-8") as seen:
            yield seen
    finally:
        subprocess.run(["tmux", *tmux, "kill-server"], capture_output=True, check=False)


def break_new_versions(run: EngineRun, *services: str) -> None:
    """Bring v2 to services in the place of v1, and let it crash once v1 is gone."""
    for service in services:
        body = {"process": service, "version": "v1"}
        assert run.request("POST", "/api/deploy", body)[0] == 200
        body = {"service": service, "version": "v2", "strategy": "blue-green"}
        status, said = run.request("POST", "/api/rollouts", {**body, "pause": 0, "window": 0})
        assert status == 200, said
    for service in services:
        path = f"/api/rollouts/{service}"
        wait_until(lambda path=path: run.get(path)["state"] == "done", f"{service} is rolled out")
        run.visit(service, "/crash")
        run.wait_state(f"{service}:v2", "failed")


def weights(run: EngineRun, service: str) -> dict[str, tuple[str, int]]:
    """Give state and weight of both versions."""
    found = run.instances()
    return {
        one: (found[f"{service}:{one}"]["state"], found[f"{service}:{one}"].get("weight", 100))
        for one in ("v1", "v2")
    }


def test_what_failed_is_found_read_rolled_back_and_undone_by_keys_and_by_mouse(
    make_engine: Callable[[str], EngineRun], tmp_path: Path
) -> None:
    require_program("tmux")
    run = make_engine(CONFIG)
    run.start()
    break_new_versions(run, "web", "app")
    with console_in_tmux(run, tmp_path) as seen:
        by_keys(run, seen)
    with console_in_tmux(run, tmp_path) as seen:
        by_mouse(run, seen)


def by_keys(run: EngineRun, seen: Walker) -> None:
    seen.until("2 failed")
    seen.press("/state:failed web\r")
    seen.until("1/4 /state")
    seen.until("why    exited with 3")
    seen.press("l")
    seen.until("log web:v2")
    seen.press("gG")
    seen.until("following")
    seen.until("line 00000")
    seen.press("D")
    seen.until("blue-green, done")
    seen.press("b")
    seen.until("u undoes rollback of web")
    wait_until(lambda: weights(run, "web")["v1"] == ("healthy", 100), "v1 has the traffic")
    assert weights(run, "web")["v2"][1] == 0
    assert run.visit("web")[0] == 200
    seen.press("u")
    seen.until("rolled back by root")
    wait_until(lambda: weights(run, "web")["v2"] == ("healthy", 100), "v2 has it again")
    seen.press("qqqq")
    assert seen.wait_gone(5)
    assert run.state("web:v2") == "healthy"


def by_mouse(run: EngineRun, seen: Walker) -> None:
    row = "   app:v2  "  # in the table, not in a title
    seen.until(row)
    seen.click(row)
    seen.until("why    exited with 3")
    seen.click(row, times=2)
    seen.until("log app:v2")
    seen.until("line 0000010")
    seen.click(row, button=2)
    seen.until("ten rollback app")
    seen.click("ten rollback app")
    seen.until("u undoes rollback of app")
    wait_until(lambda: weights(run, "app")["v1"] == ("healthy", 100), "v1 has the traffic")
    seen.click("u undoes rollback")
    wait_until(lambda: weights(run, "app")["v2"] == ("healthy", 100), "v2 has it again")
    seen.until("q detach")
    seen.click("q detach")
    assert seen.wait_gone(5)
