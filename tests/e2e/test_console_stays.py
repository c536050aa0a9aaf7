"""The console of a real engine, in a real terminal, while that engine dies."""

import os
import re
import signal
from collections.abc import Callable

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.tui.pty_console import Terminal

CONFIG = f"""
[service.web]
command = "{TENANT} --lines 50"
isolation = "process"
[instances]
web = ["a", "b"]
"""
_NUMBER = re.compile(r"line (\d{7}) of")


def newest_line(terminal: Terminal) -> int:
    """Give the highest line number in the log pane, -1 where there is none."""
    terminal.read(0.1)
    return max((int(each) for each in _NUMBER.findall(terminal.text)), default=-1)


def test_console_greys_and_reattaches_with_its_place(
    make_engine: Callable[[str], EngineRun],
) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("web:b", "healthy")
    argv = ["-m", "ten_tui.cli", "--data-dir", str(run.data_dir), "console", "--logs", "web:b"]
    with Terminal(argv, (120, 40)) as terminal:
        terminal.until("log web:b")
        wait_until(lambda: newest_line(terminal) > 10, "its log moves")
        engine = run.pid("engine")
        os.kill(engine, signal.SIGKILL)
        terminal.until("retry in")
        seen = newest_line(terminal)
        assert seen > 10, "what was last seen stays"
        wait_until(lambda: newest_line(terminal) > seen + 20, "its log moves on")
        assert "log web:b" in terminal.text
        assert "following" in terminal.text
        # The log and the state come by links of their own: whichever is back first is shown first.
        terminal.until_gone("retry in")
        terminal.press("qq")  # back, then detach
        assert terminal.wait_gone(5)
    assert run.state("web:a") == "healthy"
