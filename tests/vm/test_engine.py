"""A real engine on a tree with controllers: instances in their cgroups, and their limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.kernel.cgroup import group_of
from tests.e2e.engine_run import EngineRun, wait_until
from tests.vm.services import LIMIT_MB


def healthy(run: EngineRun, name: str) -> tuple[int, Path]:
    """Spawn, and give pid and cgroup of the instance."""
    assert run.spawn(name)[0] == 200
    view = run.wait_state(name, "healthy")
    group = Path("/sys/fs/cgroup", group_of(str(run.data_dir)), name)
    return int(view["pid"]), group


@pytest.mark.parametrize("service", ["plain", "inner"])
def test_instance_serves_from_its_cgroup_and_its_limit_kills_it(
    engine: EngineRun, service: str
) -> None:
    name = f"{service}:x"
    pid, group = healthy(engine, name)
    assert str(pid) in (group / "cgroup.procs").read_text().split()
    assert (group / "memory.max").read_text() == f"{LIMIT_MB << 20}\n"
    assert (group / "memory.swap.max").exists()
    assert (group / "cpu.weight").read_text() == "50\n"
    assert engine.visit(f"x.{service}") == (200, "0 MiB")
    assert engine.visit(f"x.{service}", "/eat/5", timeout=60) == (200, "5 MiB")

    (group / "memory.swap.max").write_text("0")  # with it the program would live on, slowly
    assert engine.visit(f"x.{service}", "/eat/later") == (200, "eats")
    again = wait_until(
        lambda: (v := engine.instance(name)).get("pid", 0) not in {0, pid} and v, "restarted", 30
    )
    assert again["restarts"] >= 1
    told = [each["text"] for each in engine.events() if each.get("instance") == name]
    assert any("killed by the kernel: out of memory" in each for each in told)
    engine.wait_state(name, "healthy")
    assert engine.visit(f"x.{service}") == (200, "0 MiB")


def test_ps_shows_what_runs(engine: EngineRun) -> None:
    healthy(engine, "plain:x")
    command = [sys.executable, "-P", "-m", "ten_tui.cli", "--data-dir", str(engine.data_dir), "ps"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("plain:x ")]
    assert line.split()[4] == "healthy"
    assert engine.instance("plain:x")["memory_limit_bytes"] == LIMIT_MB << 20
