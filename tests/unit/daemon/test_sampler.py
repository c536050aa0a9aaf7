"""Samples of real processes, and of cgroups with controllers this host may not have."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.latency import Traffic, empty
from engine.core.wire import Sample
from engine.daemon import sampler as sampler_module
from engine.daemon.clock import wall
from engine.daemon.instance import Enforced
from engine.daemon.sampler import HostSampler, Sampler
from engine.kernel import pressure
from engine.kernel.pressure import Pressure


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sampler_module.time, "monotonic", clock)
    return clock


class FullCgroup:
    """Counters as a cgroup with every controller has them."""

    def __init__(self) -> None:
        self.cpu = {"usage_usec": 5_000_000, "throttled_usec": 0}
        self.memory: int | None = 50_000_000
        self.io: tuple[int, int] | None = (1000, 2000)
        self.members: list[int] = [os.getpid()]
        self.pressures = 0

    def cpu_stat(self) -> dict[str, int]:
        return self.cpu

    def memory_current(self) -> int | None:
        return self.memory

    def io_stat(self) -> tuple[int, int] | None:
        return self.io

    def pids(self) -> list[int]:
        return self.members

    def swap_current(self) -> int:
        return 7_000_000

    def pressure(self) -> dict[str, Pressure]:
        self.pressures += 1
        return {"cpu": Pressure(self.pressures, -1.0), "io": Pressure(3.0, 2.0)}


def make_sampler(lines: tuple[int, int] = (0, 0), inflight: int = 0) -> Sampler:
    return Sampler(log_counters=lambda _: lines, inflight=lambda _: inflight, restarts=lambda _: 2)


async def sample_one(sampler: Sampler, traffic: Traffic | None = None) -> Sample:
    (found,) = (await sampler.sample({"a:b": traffic} if traffic else {})).values()
    return found


def watch(sampler: Sampler, cgroup: FullCgroup | None, pid: int = 0, main_pid: int = 0) -> None:
    sampler.watch(
        "a:b",
        pid=pid or os.getpid(),
        main_pid=main_pid or pid or os.getpid(),
        cgroup=cgroup,  # type: ignore[arg-type]
    )
    sampler.limit("a:b", Enforced(memory_bytes=64_000_000, cpu_cores=1.5))


async def test_counters_become_rates(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    watch(sampler, cgroup)
    clock.now += 2.0
    cgroup.cpu = {"usage_usec": 8_000_000, "throttled_usec": 500_000}
    await sample_one(sampler)
    clock.now += 2.0
    cgroup.cpu = {"usage_usec": 9_000_000, "throttled_usec": 1_000_000}
    cgroup.io = (3000, 10_000)
    found = await sample_one(sampler)
    assert found.cpu_cores == 0.5
    assert found.throttled == 0.25
    assert (found.io_read_bytes, found.io_write_bytes) == (1000, 4000)
    assert (found.memory_bytes, found.memory_limit_bytes) == (50_000_000, 64_000_000)
    assert (found.cpu_quota_cores, found.swap_bytes, found.restarts) == (1.5, 7_000_000, 2)
    assert found.pids == 1
    assert found.time == pytest.approx(wall(), abs=5)


async def test_pressure_is_read_as_often_as_the_kernel_works_it_out(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    watch(sampler, cgroup)
    seen = []
    for _ in range(5):
        found = await sample_one(sampler)
        seen.append(found.psi_cpu)
        clock.now += 1.0
    assert seen == [1, 1, 2, 2, 3]
    assert (found.psi_io, found.psi_io_full) == (3.0, 2.0)
    assert (found.psi_memory, found.psi_cpu_full) == (0.0, 0.0)


async def test_the_first_sample_of_a_new_process_has_its_cpu(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    watch(sampler, cgroup)
    clock.now += 1.0
    cgroup.cpu = {"usage_usec": 5_700_000}
    assert (await sample_one(sampler)).cpu_cores == pytest.approx(0.7)


async def test_a_cgroup_that_went_away_stands_still(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    watch(sampler, cgroup)
    cgroup.cpu, cgroup.memory, cgroup.io, cgroup.members = {}, None, None, []
    clock.now += 1.0
    found = await sample_one(sampler)
    assert (found.cpu_cores, found.memory_bytes, found.io_read_bytes, found.pids) == (0, 0, 0, 0)


async def test_without_the_memory_controller_memory_is_of_the_processes(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    cgroup.memory = None
    watch(sampler, cgroup)
    found = await sample_one(sampler)
    assert 5_000_000 < found.memory_bytes < 2_000_000_000


async def test_the_init_does_not_count(clock: Clock) -> None:
    sampler, cgroup = make_sampler(), FullCgroup()
    cgroup.memory = None
    cgroup.members = [os.getpid(), 1]
    watch(sampler, cgroup, pid=os.getpid(), main_pid=1)
    found = await sample_one(sampler)
    assert found.pids == 1
    assert found.memory_bytes < 100_000_000


async def test_requests_and_lines(clock: Clock) -> None:
    lines = [100, 10]
    sampler = Sampler(
        log_counters=lambda _: (lines[0], lines[1]), inflight=lambda _: 3, restarts=lambda _: 2
    )
    watch(sampler, FullCgroup())
    await sample_one(sampler)
    clock.now += 2.0
    lines[:] = [300, 14]
    traffic = Traffic(requests=8, errors=2, buckets=empty())
    traffic.buckets[4] = 8
    found = await sample_one(sampler, traffic)
    assert (found.requests, found.errors, found.inflight) == (4, 1, 3)
    assert (found.log_lines, found.log_errors) == (100, 2)
    assert found.p95_ms == pytest.approx(48.75)
    clock.now += 1.0
    quiet = await sample_one(sampler)
    assert (quiet.requests, quiet.p95_ms, quiet.log_lines) == (0, 0, 0)


async def test_a_ring_emptied_is_no_negative_rate(clock: Clock) -> None:
    lines = [100]
    sampler = Sampler(
        log_counters=lambda _: (lines[0], 0), inflight=lambda _: 0, restarts=lambda _: 2
    )
    watch(sampler, FullCgroup())
    await sample_one(sampler)
    clock.now += 1.0
    lines[0] = 0
    assert (await sample_one(sampler)).log_lines == 0


async def test_unwatched_ones_are_not_sampled(clock: Clock) -> None:
    sampler = make_sampler()
    watch(sampler, FullCgroup())
    sampler.unwatch("a:b")
    sampler.unwatch("a:b")
    assert await sampler.sample({}) == {}


async def test_one_that_ends_while_others_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_module, "SLICE", 1)
    sampler = make_sampler()
    for name in ("a:1", "a:2", "a:3"):
        sampler.watch(name, pid=1, main_pid=1, cgroup=FullCgroup())  # type: ignore[arg-type]
    sampling = asyncio.get_running_loop().create_task(sampler.sample({}))
    await asyncio.sleep(0)
    sampler.unwatch("a:3")
    assert set(await sampling) == {"a:1", "a:2"}


# --- without cgroups ---


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A shell whose child burns a core and writes to disk."""
    code = "import os\nwhile True: sum(range(10000))"
    shell = subprocess.Popen(
        ["sh", "-c", f"{sys.executable} -c '{code}' & echo up; wait"],
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert shell.stdout is not None
    shell.stdout.readline()
    yield shell
    os.killpg(shell.pid, 9)
    shell.stdout.close()
    shell.wait()


async def test_a_process_tree(busy: subprocess.Popen[bytes]) -> None:
    sampler = make_sampler()
    watch(sampler, None, pid=busy.pid)
    first = await sample_one(sampler)
    assert first.cpu_cores == 0, "what it used before is no rate"
    deadline = time.monotonic() + 10
    while True:
        await asyncio.sleep(0.3)
        found = await sample_one(sampler)
        if found.cpu_cores > 0.1:
            break
        assert time.monotonic() < deadline, found
    assert found.cpu_cores < 1.5
    assert found.pids == 2
    assert found.memory_bytes > 5_000_000


async def test_a_tree_that_is_gone() -> None:
    sampler = make_sampler()
    watch(sampler, None, pid=2**22 - 1)
    found = await sample_one(sampler)
    assert (found.cpu_cores, found.memory_bytes, found.pids) == (0, 0, 0)


# --- the host ---


async def test_the_host(tmp_path: Path) -> None:
    host = HostSampler(tmp_path, lambda: [os.getpid(), 2**22 - 1])
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        sum(range(1000))
    traffic = Traffic(requests=3, errors=1, buckets=[3] + [0] * 10)
    found = host.sample([traffic, traffic])
    assert found.cores == os.cpu_count()
    assert 0 < found.cpu_cores <= found.cores
    assert 0.2 < found.engine_cpu_cores <= found.cores
    assert 0 < found.memory_bytes < found.memory_total_bytes
    assert 0 < found.disk_free_bytes < found.disk_total_bytes
    assert found.requests == pytest.approx(3 * found.errors)
    assert found.p95_ms == pytest.approx(0.95)
    for value in (found.psi_cpu, found.psi_memory, found.psi_io):
        assert value == -1 or 0 <= value <= 100


async def test_a_kernel_without_psi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pressure, "_HOST", str(tmp_path / "none"))
    host = HostSampler(tmp_path / "gone", list)
    found = host.sample()
    assert (found.psi_cpu, found.psi_memory, found.psi_io) == (-1, -1, -1)
    assert (found.disk_free_bytes, found.disk_total_bytes) == (0, 0)
    assert found.engine_cpu_cores == 0
