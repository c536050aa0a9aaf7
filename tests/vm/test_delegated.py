"""A cgroup that systemd gave away (Delegate=yes): the engine makes room in it and uses it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.kernel.cgroup import LEAF, group_of
from tests.e2e.engine_run import EngineRun, wait_until

UNIT = Path("/sys/fs/cgroup/ten-test.service")
CONFIG = """
[service.web]
command = "sleep 1000"
isolation = "process"
startup_timeout = 0
memory_max = "50M"
pids_max = 10
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def unit() -> Iterator[Path]:
    UNIT.mkdir()
    os.setxattr(UNIT, "trusted.delegate", b"1")
    yield UNIT
    UNIT.rmdir()


def enter(run: EngineRun, unit: Path) -> None:
    """Have its `serve` begin in a cgroup."""
    plain = run.command

    def command(*arguments: str, doors: int = 1) -> list[str]:
        script = f'echo $$ > {unit}/cgroup.procs; exec "$@"'
        return ["sh", "-c", script, "sh", *plain(*arguments, doors=doors)]

    run.command = command  # type: ignore[method-assign]


def test_limits_hold_in_a_delegated_cgroup_and_nothing_is_left(
    make_engine: Make, unit: Path
) -> None:
    run = make_engine(CONFIG)
    enter(run, unit)
    run.start()
    assert run.spawn("web:x")[0] == 200
    web = unit / group_of(str(run.data_dir)) / "web:x"
    assert (web / "memory.max").read_text() == f"{50 << 20}\n"
    assert (web / "pids.max").read_text() == "10\n"
    assert str(run.instance("web:x")["pid"]) in (web / "cgroup.procs").read_text().split()
    own = (unit / LEAF / "cgroup.procs").read_text().split()
    assert str(run.pid("keeper")) in own
    assert str(run.pid("engine")) in own
    assert (unit / "cgroup.procs").read_text() == ""

    run.kill_engine()
    wait_until(run.answers, "the next engine answers")
    assert run.restart("web:x")[0] == 200
    assert (web / "memory.max").read_text() == f"{50 << 20}\n"
    assert run.stop() == 0
    assert [each.name for each in unit.iterdir() if each.is_dir()] == []
