"""Figures from /proc, of this process and of children made for it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from engine.kernel import proctable
from engine.kernel.proctable import (
    ProcessTable,
    memory_use,
    process_io,
    process_stat,
    resident_bytes,
)

NOBODY = 2**22 - 1


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A shell with two children, one of them with a child of its own."""
    script = "sleep 60 & sh -c 'sleep 60 & wait' & echo up; wait"
    shell = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert shell.stdout is not None
    assert shell.stdout.readline() == "up\n"
    deadline = time.monotonic() + 5
    while len(ProcessTable().scan([shell.pid])[shell.pid]) < 4:
        assert time.monotonic() < deadline
    yield shell
    for pid in ProcessTable().scan([shell.pid])[shell.pid]:
        os.kill(pid, 9)
    shell.stdout.close()
    shell.wait()


def test_this_process() -> None:
    stat = process_stat(os.getpid())
    assert stat is not None
    assert stat.ppid == os.getppid()
    assert stat.threads >= 1
    use = memory_use(os.getpid())
    assert use is not None
    assert use.resident_bytes > use.shared_bytes > 0
    assert process_io(os.getpid()) is not None


def test_nobody() -> None:
    assert process_stat(NOBODY) is None
    assert memory_use(NOBODY) is None
    assert process_io(NOBODY) is None
    assert resident_bytes([NOBODY]) == 0
    assert ProcessTable().scan([NOBODY]) == {NOBODY: []}


def test_a_name_with_brackets_and_blanks_leads_nobody_astray() -> None:
    code = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') R 1 (x', 0, 0, 0);"
        "print('up', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    stat = process_stat(child.pid)
    child.communicate(b"")
    assert stat is not None
    assert stat.ppid == os.getpid()


def test_cpu_time_of_own_and_of_children_waited_for() -> None:
    before = process_stat(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(6_000_000))"], check=True)
    after = process_stat(os.getpid())
    assert before is not None
    assert after is not None
    assert after.waited_ticks > before.waited_ticks


def test_a_tree(family: subprocess.Popen[str]) -> None:
    table = ProcessTable()
    tree = table.scan([family.pid])[family.pid]
    assert tree[0] == family.pid
    assert len(tree) == 4
    assert set(tree) <= set(table.stats)
    assert resident_bytes(tree) > resident_bytes(tree[:1])


def test_a_root_inside_another_tree_is_on_its_own(family: subprocess.Popen[str]) -> None:
    table = ProcessTable()
    shell = next(
        pid
        for pid in table.scan([family.pid])[family.pid]
        if pid != family.pid and pid in {stat.ppid for stat in table.stats.values()}
    )
    trees = table.scan([family.pid, shell])
    assert len(trees[family.pid]) == 2
    assert len(trees[shell]) == 2


def test_strangers_are_not_read_each_time(
    family: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = proctable.process_stat

    def count(pid: int) -> proctable.ProcessStat | None:
        read.append(pid)
        return real(pid)

    monkeypatch.setattr(proctable, "process_stat", count)
    table = ProcessTable()
    table.scan([family.pid])
    assert os.getpid() in read
    read.clear()
    assert len(table.scan([family.pid])[family.pid]) == 4
    assert os.getpid() not in read
    assert len(table.scan([os.getpid(), family.pid])[family.pid]) == 4
    assert os.getpid() in read, "a stranger may become one to watch"
    for _ in range(10):
        read.clear()
        table.scan([family.pid])
        if os.getppid() in read:
            break
    else:
        pytest.fail("strangers are never looked at again")
