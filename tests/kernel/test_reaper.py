"""PID 1 of real instances: native where it can be, and small."""

import os
import signal
from pathlib import Path

import pytest

from tests.kernel.conftest import Planner
from tests.kernel.harness import PYTHON_REAPER, Host, Played, both_reapers, read_all, wait_for
from tests.require import require

pytestmark = pytest.mark.kernel


def _private_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError(pid)


def test_it_is_native_and_keeps_some_pages_only(engine: Played, planned: Planner) -> None:
    require(os.uname().machine in {"x86_64", "aarch64"}, "no native PID 1", "use such a host")
    told = engine.spawn("api:x", planned("echo up; exec sleep 1000"))
    read_all(told.fds[1], until=b"up\n")
    pid = int(str(told["pid"]))
    wait_for(lambda: os.readlink(f"/proc/{pid}/exe") == "/memfd:ten-init (deleted)")
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "ten-init\n")
    assert Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] == "ten-init"
    assert Path(f"/proc/{pid}/environ").read_text() == ""
    assert _private_kb(pid) <= 64


@pytest.mark.parametrize("kept", [PYTHON_REAPER], indirect=True)
def test_it_is_python_where_that_is_asked_for(kept: Host, engine: Played, planned: Planner) -> None:
    told = engine.spawn("api:x", planned("echo up; exec sleep 1000"))
    read_all(told.fds[1], until=b"up\n")
    assert "python" in os.readlink(f"/proc/{told['pid']}/exe")


@both_reapers
def test_it_hears_nothing_from_inside_but_what_it_passes_on(
    engine: Played, planned: Planner
) -> None:
    script = "trap 'echo usr1' USR1; echo up; kill -SEGV 1; kill -KILL 1; kill -STOP 1; "
    script += "kill -USR1 1; while :; do sleep 0.05; done"
    told = engine.spawn("api:x", planned(script))
    assert read_all(told.fds[1], until=b"usr1\n") == b"up\nusr1\n"
    signal.pidfd_send_signal(told.fds[0], signal.SIGTERM)
    end = engine.find("exit", name="api:x")
    assert os.WTERMSIG(int(str(end["status"]))) == signal.SIGTERM
