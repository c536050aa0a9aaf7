"""Frozen instances: stopped where they are, and there again as soon as somebody wants them."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.kernel.cgroup import find_tree, tree_root
from tests.bench.bench_tenants import are_frozen, config, wake
from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.require import require, require_program

CONFIG = f"""
[settings]
health_check_interval = 1

[service.quick]
command = "{TENANT} --lines 20"
isolation = "process"
health = "/health"
freeze_after = 0.5
stop_grace = 20
wake = "never"

[service.inner]
command = "{TENANT} --children"
freeze_after = 0.5
health = "/health"
stop_grace = 1

[service.naps]
command = "{TENANT}"
isolation = "process"
freeze_after = 0.5
idle_timeout = 3

[service.busy]
command = "{TENANT} --lines 2000"
isolation = "process"
freeze_after = 0.5
idle_cpu = 0.2

[instances]
quick = ["a", "b"]
inner = ["a"]
naps = ["a"]
busy = ["a"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture(autouse=True)
def _freezer() -> None:
    require(find_tree() is not None, "no cgroup v2 tree is writable", "run on a host with one")


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    return run


def group_of(pid: int) -> Path:
    """Give the folder of the cgroup a process is in."""
    own = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    path = next(line[3:] for line in own if line.startswith("0::"))
    return Path(f"{tree_root()}{path}")


def events_of(pid: int) -> dict[str, str]:
    """Read cgroup.events of the group a process is in."""
    words = (group_of(pid) / "cgroup.events").read_text().split()
    return dict(zip(words[::2], words[1::2], strict=True))


def frozen(engine: EngineRun, name: str) -> int:
    """Wait until it is frozen, by its word and by the kernel's; give its pid."""
    pid: int = engine.wait_state(name, "frozen")["pid"]
    wait_until(lambda: events_of(pid)["frozen"] == "1", f"{name} stands still")
    return pid


def test_idle_ones_are_frozen_and_requests_thaw_them(engine: EngineRun) -> None:
    pids = {name: frozen(engine, name) for name in ("quick:a", "quick:b", "inner:a")}
    lines = len(engine.lines("quick:a"))
    time.sleep(1.5)  # health checks are due meanwhile
    assert len(engine.lines("quick:a")) == lines, "it does nothing at all"
    assert engine.state("quick:a") == "frozen", "no health check wakes it"
    assert engine.get("/api/instances/quick:a/health")["health"] == "healthy"

    assert engine.visit("a.quick", "/pid") == (200, str(pids["quick:a"]))
    assert engine.wait_state("quick:a", "healthy")["pid"] == pids["quick:a"]
    assert engine.visit("a.inner")[0] == 200
    frozen(engine, "quick:a")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: engine.visit("a.quick", "/pid"), range(50)))
    assert answers == [(200, str(pids["quick:a"]))] * 50
    frozen(engine, "quick:a")
    assert engine.visit("quick")[0] == 200, "by weight, too"
    assert engine.instance("quick:a").get("restarts", 0) == 0

    wait_until(lambda: engine.instance("quick:a").get("wake_ms", 0) > 0, "the door says how long")
    count = 'tenement_wake_duration_ms_count{from="frozen",instance="a",process="quick"}'
    told = engine.request("GET", "/metrics")[1].decode()
    (line,) = [each for each in told.splitlines() if each.startswith(count)]
    assert 1 <= float(line.split()[-1]) <= 52

    assert engine.wait_state("naps:a", "asleep").get("pid", 0) == 0
    assert engine.visit("a.naps")[0] == 200
    assert engine.state("busy:a") == "healthy", "it uses the CPU"


def test_a_request_in_flight_keeps_it_awake(engine: EngineRun) -> None:
    frozen(engine, "quick:a")
    for _ in range(2):
        assert engine.visit("a.quick", "/slow")[0] == 200
        assert engine.state("quick:a") == "healthy"


def test_what_is_frozen_ends_as_any_other(engine: EngineRun) -> None:
    pid = frozen(engine, "quick:a")
    start = time.monotonic()
    assert engine.restart("quick:a")[0] == 200
    assert engine.wait_state("quick:a", "healthy", "frozen")["pid"] != pid
    pid = frozen(engine, "quick:a")
    assert engine.stop_instance("quick:a") == 204
    assert time.monotonic() - start < 15, "it hears SIGTERM, long before its grace is over"
    assert engine.spawn("quick:a")[0] == 200

    pid = frozen(engine, "quick:b")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: engine.instance("quick:b").get("pid", 0) not in {0, pid}, "it runs again")
    frozen(engine, "quick:b")
    assert engine.spawn("quick:b")[0] == 200
    assert engine.state("quick:b") == "healthy", "who asks for it has it awake"

    frozen(engine, "quick:a")
    text = engine.config.read_text()
    engine.config.write_text(text.replace("freeze_after = 0.5\nstop_grace", "stop_grace", 1))
    engine.wait_state("quick:a", "healthy")
    time.sleep(1.5)
    assert engine.state("quick:a") == "healthy", "by the new file it is frozen no more"
    frozen(engine, "inner:a")
    assert engine.stop() == 0, "with children that ignore SIGTERM, frozen"


def test_it_stays_frozen_over_the_death_of_engine_and_keeper(engine: EngineRun) -> None:
    pid = frozen(engine, "quick:a")
    lines = len(engine.lines("quick:a"))
    engine.kill_engine()
    assert engine.state("quick:a") == "frozen"
    assert len(engine.lines("quick:a")) == lines, "it was never thawed"

    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(engine.visit("a.quick", "/pid")))
    os.kill(engine.pid("engine"), signal.SIGKILL)
    asking.start()
    asking.join(20)
    assert answers == [(200, str(pid))], "a request waits for the next engine"

    frozen(engine, "quick:b")
    (group_of(engine.instance("quick:b")["pid"]) / "cgroup.freeze").write_text("0")
    engine.kill_engine()
    assert engine.state("quick:b") == "healthy", "thawed, and the engine did not get to say so"

    frozen(engine, "quick:a")
    engine.kill_keeper()
    assert events_of(pid)["frozen"] == "1"
    engine.start()
    assert engine.state("quick:a") == "frozen"
    assert engine.visit("a.quick", "/pid") == (200, str(pid))


def test_many_wake_at_once_while_others_are_served(make_engine: Make, tmp_path: Path) -> None:
    require_program("busybox", "busybox-static")
    engine = make_engine(config(tmp_path, 60))
    engine.start(doors=2)
    wait_until(lambda: are_frozen(engine, 60), "all but a few are frozen", 30)
    with ThreadPoolExecutor(1) as pool:
        visits = pool.submit(lambda: [engine.visit(f"t{n % 5}.app")[0] for n in range(200)])
        _, times = wake(engine, [f"t{number}" for number in range(20, 60)])
        assert visits.result() == [200] * 200
    assert len(times) == 40
    assert all(not each.get("restarts") for each in engine.instances().values())
