"""Limits hold: memory, CPU, processes, CPUs, disks; and a change takes hold without a restart."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.core.wire import HostSample, Sample
from engine.kernel.cgroup import group_of
from engine.kernel.controllers import survey
from tests.e2e.engine_run import EngineRun, wait_until
from tests.vm.services import CONFIG


def group(run: EngineRun, name: str) -> Path:
    return Path("/sys/fs/cgroup", group_of(str(run.data_dir)), name)


def start(run: EngineRun, *names: str) -> list[Path]:
    for name in names:
        assert run.spawn(name)[0] == 200
    return [group(run, name) for name in names]


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def used(folder: Path) -> int:
    return int(text(folder, "cpu.stat").split()[1])


def waiting(run: EngineRun, name: str) -> tuple[float, float]:
    """Give the percentage of time in which something waited for a CPU: in one, and on the host."""
    snapshot = run.get("/api/v1/snapshot")
    sample, host = snapshot["samples"].get(name), snapshot["host"]
    own = sample[Sample.__struct_fields__.index("psi_cpu")] if sample else 0.0
    return own, host[HostSample.__struct_fields__.index("psi_cpu")]


def test_every_controller_is_usable() -> None:
    assert survey().missing == {}


def test_memory_limit_ends_who_overeats_and_nobody_else(engine: EngineRun) -> None:
    last = max(each["id"] for each in engine.events())
    (greedy, modest) = start(engine, "small:greedy", "small:modest")
    before = {name: engine.wait_state(name, "healthy")["pid"] for name in ("small:modest",)}
    engine.wait_state("small:greedy", "healthy")
    assert (text(greedy, "memory.max"), text(greedy, "memory.swap.max")) == (str(60 << 20), "0")
    assert text(modest, "memory.oom.group") == "1"
    engine.visit("greedy.small", "/eat/60", timeout=120)
    view = engine.wait_state("small:greedy", "failed", "stopped", seconds=30)
    assert re.fullmatch(
        r"killed by the kernel: out of memory \(limit 60 MiB, peak (59\.\d+|60) MiB\)",
        view["why"]["summary"],
    )
    assert view["why"]["signal"] == "SIGKILL"
    assert view["oom_kills"] >= 1
    told = [each for each in engine.events() if " is out of memory" in each["text"]]
    told = [each for each in told if each["id"] > last]
    assert {each["instance"] for each in told} == {"small:greedy"}
    event = told[0]
    assert (event["level"], event["instance"]) == ("error", "small:greedy")
    assert re.search(r"the kernel killed \d process(es)? \(limit 60 MiB, peak", event["text"])
    assert engine.instance("small:modest")["pid"] == before["small:modest"]
    assert engine.visit("modest.small", "/eat/5", timeout=60) == (200, "5 MiB")


def test_a_kill_that_does_not_end_the_instance_is_told(engine: EngineRun) -> None:
    (family,) = start(engine, "family:x")
    wait_until(lambda: engine.instance("family:x").get("oom_kills", 0) >= 1, "a kill is seen")
    assert text(family, "memory.oom.group") == "0"
    assert engine.instance("family:x")["state"] == "starting"
    assert "why" not in engine.instance("family:x")
    told = [each["text"] for each in engine.events() if each.get("instance") == "family:x"]
    (event,) = [each for each in told if "is out of memory" in each]
    assert "the kernel killed 1 process (limit 40 MiB" in event


def test_cpu_is_shared_by_weight_and_capped(engine: EngineRun) -> None:
    """The kernel keeps shares over time: what a stall of this host adds to one, it makes up for.

    So it is measured from one begin on, all three always runnable, until the shares are right
    twice in a row; shares by other weights would go on to come to something else.
    """
    groups = start(engine, "light:x", "heavy:x", "half:x")
    wait_until(lambda: all(used(each) > 200_000 for each in groups), "all three run")
    begin, at, in_a_row = [used(each) for each in groups], time.monotonic(), 0
    while in_a_row < 2:
        time.sleep(3)
        spent = [used(each) - was for each, was in zip(groups, begin, strict=True)]
        seconds = time.monotonic() - at
        is_shared = spent[1] / spent[0] == pytest.approx(3.0, rel=0.1)
        is_capped = spent[2] / 1e6 / seconds == pytest.approx(0.5, rel=0.1)
        in_a_row = in_a_row + 1 if is_shared and is_capped else 0
        assert seconds < 90, spent
    sample = wait_until(lambda: engine.get("/api/v1/metrics/half:x")["samples"], "it is sampled")
    assert 0.5 in sample[-1]
    # Two that share a CPU wait for it; PSI says so of both, and of the host.
    wait_until(lambda: min(waiting(engine, "light:x")) > 10, "PSI says so")


def test_a_fork_bomb_is_contained_and_stopped(engine: EngineRun) -> None:
    (bomb,) = start(engine, "bomb:x")
    wait_until(lambda: text(bomb, "pids.events") != "max 0", "it runs into its limit", 30)
    assert int(text(bomb, "pids.current")) <= 64
    start(engine, "free:y")
    engine.wait_state("free:y", "healthy", seconds=60)
    assert engine.stop_instance("bomb:x") == 204
    wait_until(lambda: not bomb.exists(), "its cgroup is gone")


def test_a_disk_is_limited_by_number(engine: EngineRun) -> None:
    (disk,) = start(engine, "disk:x")
    status = os.stat("/dev/vda")
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    assert text(disk, "io.max") == f"{number} rbps=10485760 wbps=max riops=max wiops=100"


def test_a_value_the_host_cannot_keep_fails_the_launch(engine: EngineRun) -> None:
    status, answer = engine.spawn("far:x")
    assert status == 500
    assert "cpuset" in str(answer)
    assert "these CPUs are not all there" in answer["error"]
    assert answer["step"] == "limit cpuset"


def test_a_change_of_the_file_takes_hold_without_a_restart(engine: EngineRun) -> None:
    (small,) = start(engine, "small:x")
    pid = engine.wait_state("small:x", "healthy")["pid"]
    changed = CONFIG.replace('memory_max = "60M"', 'memory_max = "80M"\ncpu_max = "150%"')
    try:
        engine.config.write_text(changed)
        wait_until(lambda: text(small, "memory.max") == str(80 << 20), "the limit is raised")
        wait_until(lambda: text(small, "cpu.max") == "150000 100000", "CPU is limited")
        engine.config.write_text(CONFIG.replace("memory_swap_max = 0\n", ""))
        wait_until(lambda: text(small, "memory.swap.max") == "max", "what is not said is off")
        wait_until(lambda: text(small, "cpu.max") == "max 100000", "and this as well")
    finally:
        engine.config.write_text(CONFIG)
    wait_until(lambda: text(small, "memory.swap.max") == "0", "it is as before")
    assert engine.instance("small:x")["pid"] == pid
    told = [event["text"] for event in engine.events() if "limited anew" in event["text"]]
    assert any("memory_max 60M → 80M" in each for each in told)
    wait_until(lambda: engine.instance("small:x")["memory_limit_bytes"] == 60 << 20, "it is shown")


def ten(run: EngineRun, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-P", "-m", "ten_tui.cli", "--data-dir", str(run.data_dir), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_ten_set_takes_hold_and_outlives_engine_and_restart(engine: EngineRun) -> None:
    (small,) = start(engine, "small:x")
    pid = engine.wait_state("small:x", "healthy")["pid"]
    assert ten(engine, "set", "small:x", "memory_max=90M", "cpu_max=30000", "100000") == (
        0,
        "Set small:x memory_max to 90M\nSet small:x cpu_max to 30%\n",
    )
    assert text(small, "memory.max") == str(90 << 20)
    assert text(small, "cpu.max") == "30000 100000"
    code, said = ten(engine, "set", "small:x", "memory_max=80M", "cpuset=40")
    assert code == 1
    assert "these CPUs are not all there" in said
    assert text(small, "memory.max") == str(90 << 20)
    code, said = ten(engine, "set", "small:x", "pids_max=1")
    assert "Note: it has" in said
    assert text(small, "pids.max") == "1"
    assert ten(engine, "set", "small:x", "pids_max=")[1] == "small:x has pids_max 4096 again\n"

    engine.kill_engine()
    wait_until(engine.answers, "the next engine answers")
    lines = [line.split() for line in ten(engine, "set", "small:x")[1].splitlines()]
    assert ["memory_max", "90M", "ten", "set", str(90 << 20)] in lines
    assert ["memory_swap_max", "0", "tenement.toml", "0"] in lines
    assert ["pids_max", "4096", "default", "4096"] in lines
    assert engine.instance("small:x")["pid"] == pid
    assert engine.restart("small:x")[0] == 200
    assert text(small, "memory.max") == str(90 << 20)
    assert ten(engine, "set", "small:x", "--reset")[0] == 0
    assert text(small, "memory.max") == str(60 << 20)
    assert text(small, "cpu.max") == "max 100000"
    commands = [event.get("command", "") for event in engine.events()]
    assert 'ten set small:x memory_max=90M "cpu_max=30000 100000"' in commands
