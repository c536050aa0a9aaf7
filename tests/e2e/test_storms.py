"""stress-ng inside an instance that has nothing but resource limits: it stays inside.

On a host without controllers this is all there is; tests/vm tries the limits of cgroups.
"""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.e2e.standing import standing, wait_same
from tests.require import require_program, require_root

Make = Callable[[str], EngineRun]

SECONDS = 2.0
STORMS = {
    "forks": "--fork 4 --fork-max 64",
    "memory": "--bigheap 2 --bigheap-growth 1M",
    "descriptors": "--open 2 --open-max 100000",
}
STORM = """
[service.{name}]
command = "stress-ng --temp-path /tmp --timeout 60 {what}"
hardening = "strict"
rlimits = {{ nproc = 16, nofile = 100, as = 314572800 }}
restart = "never"
startup_timeout = 0
stop_grace = 0
"""
NEIGHBOUR = f"""
[service.web]
command = "{TENANT}"
health = "/health"
"""


@pytest.fixture
def run(make_engine: Make, tmp_path: Path) -> EngineRun:
    require_root()
    require_program("stress-ng")
    for each in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        each.chmod(0o711)  # pytest closes them to others
    storms = "".join(STORM.format(name=name, what=what) for name, what in STORMS.items())
    engine = make_engine(NEIGHBOUR + storms)
    engine.start()
    return engine


def members(run: EngineRun, name: str) -> list[psutil.Process]:
    """Give its PID 1 and all below."""
    view = run.instance(name)
    assert view.get("pid"), view
    top = psutil.Process(view["pid"])
    return [top, *top.children(recursive=True)]


def at_its_limit(processes: list[psutil.Process], storm: str) -> bool:
    """Tell whether a storm has come up to what it may have."""
    try:
        if storm == "forks":
            return len(processes) > 12
        if storm == "memory":
            return any(each.memory_info().vms > 200 << 20 for each in processes)
        return any(each.num_fds() >= 95 for each in processes)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_stays_inside(run: EngineRun, storm: str) -> None:
    assert run.spawn("web:a")[0] == 200
    pid = run.wait_state("web:a", "healthy")["pid"]
    before, name = standing(run), f"{storm}:x"
    assert run.spawn(name)[0] == 200
    wait_until(lambda: at_its_limit(members(run, name), storm), "it comes up to its limit")
    end, most = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        assert run.visit("a.web")[0] == 200
        assert run.get("/health") == {"status": "ok"}
        most = max(most, len(members(run, name)))
    assert most <= 17, "nproc, and PID 1 which is the engine's"
    assert run.stop_instance(name) == 204
    wait_same(run, before)
    assert run.instance("web:a")["pid"] == pid
