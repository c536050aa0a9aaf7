"""stress-ng inside an instance: its limits hold, nobody else notices, and nothing is left."""

import subprocess
import time
from pathlib import Path

import pytest

from engine.kernel.cgroup import group_of
from tests.e2e.engine_run import PATIENCE, EngineRun, wait_until
from tests.require import require_program
from tests.vm.services import STORMS

SECONDS = 4.0


def numbers(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, path.read_text().splitlines())}


def has_struck(group: Path, storm: str) -> bool:
    """Tell whether a storm has run into the limit that is there for it."""
    if storm == "forks":
        return numbers(group / "pids.events")["max"] > 0
    if storm == "memory":
        return not group.exists() or numbers(group / "memory.events")["oom_kill"] > 0
    pids = (group / "cgroup.procs").read_text().split()
    return any(len(list(Path(f"/proc/{pid}/fd").iterdir())) >= 95 for pid in pids)


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_stays_inside(engine: EngineRun, storm: str) -> None:
    require_program("stress-ng")
    name, neighbour = f"{storm}:x", "free:neighbour"
    group = Path("/sys/fs/cgroup", group_of(str(engine.data_dir)), name)
    assert engine.spawn(neighbour)[0] == 200
    pid = engine.wait_state(neighbour, "healthy")["pid"]
    assert engine.spawn(name)[0] == 200
    wait_until(lambda: has_struck(group, storm), "it runs into its limit", 6)
    end, slowest = time.monotonic() + SECONDS, 0.0
    while (began := time.monotonic()) < end:
        assert engine.visit("neighbour.free")[0] == 200
        assert engine.get("/health") == {"status": "ok"}
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.5 * PATIENCE
    if storm == "memory":
        why = engine.wait_state(name, "failed")["why"]
        assert why["summary"].startswith("killed by the kernel: out of memory (limit 80 MiB")
    else:
        assert numbers(group / "pids.events").get("max", 0) > 0 or storm == "descriptors"
        assert int((group / "pids.current").read_text()) <= 40
        assert engine.stop_instance(name) == 204
    wait_until(lambda: not group.exists(), "its cgroup is gone")
    assert subprocess.run(["pgrep", "-c", "stress-ng"], capture_output=True).stdout == b"0\n"
    assert engine.instance(neighbour)["pid"] == pid
