"""Samples from real cgroups."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.daemon.sampler import Sampler
from engine.kernel.cgroup import Cgroup, find_tree
from tests.require import require

pytestmark = pytest.mark.kernel


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    tree = find_tree()
    require(tree is not None, "no writable cgroup v2 tree", "run as root, or delegate one")
    assert tree is not None
    made = tree.create(f"ten-sampler-{os.getpid()}")
    yield made
    made.kill()
    made.remove(wait_seconds=2.0)


@pytest.fixture
def busy(cgroup: Cgroup) -> Iterator[subprocess.Popen[bytes]]:
    burn = "import sys; sys.stdin.readline()\nwhile True: sum(range(10000))"
    child = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE)
    Path(cgroup.path, "cgroup.procs").write_text(str(child.pid))
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()
    yield child
    child.kill()
    child.wait()


async def test_a_busy_process_in_its_cgroup(cgroup: Cgroup, busy: subprocess.Popen[bytes]) -> None:
    sampler = Sampler(log_counters=lambda _: (0, 0), inflight=lambda _: 0, restarts=lambda _: 2)
    sampler.watch("a:b", pid=busy.pid, main_pid=busy.pid, cgroup=cgroup)
    await asyncio.sleep(0.5)
    found = (await sampler.sample({}))["a:b"]
    assert 0.1 < found.cpu_cores < 1.3
    assert 3_000_000 < found.memory_bytes < 200_000_000
    assert found.pids == 1
    busy.kill()
    busy.wait()
    await asyncio.sleep(0.05)
    await sampler.sample({})
    await asyncio.sleep(0.2)
    after = (await sampler.sample({}))["a:b"]
    assert (after.pids, after.cpu_cores) == (0, 0)
