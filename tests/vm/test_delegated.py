"""A cgroup that systemd gave away (Delegate=yes): the engine makes room in it and uses it."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.kernel.cgroup import LEAF, group_of
from tests.e2e.engine_run import EngineRun, wait_until
from tests.poor import NOBODYS_UID
from tests.vm.machine import ROOT

UNIT = Path("/sys/fs/cgroup/ten-test.service")
CONFIG = """
[service.web]
command = "sleep 1000"
isolation = "process"
startup_timeout = 0
memory_max = "50M"
pids_max = 10
"""

BOTH = f"""{CONFIG}
[service.inner]
command = "sleep 1000"
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


def enter(run: EngineRun, unit: Path, *prefix: str) -> None:
    """Have its `serve` begin in a cgroup, below another command if there is one."""
    plain = run.command

    def command(*arguments: str, doors: int = 1) -> list[str]:
        script = f'echo $$ > {unit}/cgroup.procs; exec "$@"'
        return ["sh", "-c", script, "sh", *prefix, *plain(*arguments, doors=doors)]

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


@pytest.fixture
def readable(tmp_path: Path) -> Iterator[None]:
    """Let everybody read what the engine is made of; outside of the machine nothing changes."""
    ways = (tmp_path, ROOT, Path(sys.prefix), Path(sys.executable).resolve())
    closed = {each for way in ways for each in way.parents if not each.stat().st_mode & 1}
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in closed | {tmp_path}}
    for each, mode in modes.items():
        each.chmod(mode | 0o11)
    yield
    for each, mode in modes.items():
        each.chmod(mode)


@pytest.mark.usefixtures("readable")
def test_limits_hold_for_an_ordinary_user_to_whom_systemd_gave_a_cgroup(
    tmp_path: Path, unit: Path
) -> None:
    """As by `systemd-run --user -p Delegate=yes`: these files are the user's, no others are."""
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(unit / name, NOBODYS_UID, NOBODYS_UID)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODYS_UID, NOBODYS_UID)
    run = EngineRun(home, BOTH)
    ids = [f"--reuid={NOBODYS_UID}", f"--regid={NOBODYS_UID}", "--clear-groups"]
    enter(run, unit, "setpriv", *ids, "env", f"HOME={home}")
    try:
        run.start()
        for name in ("web:x", "inner:x"):
            assert run.spawn(name)[0] == 200, run.log()
            group = unit / group_of(str(run.data_dir)) / name
            assert (group / "memory.max").read_text() == f"{50 << 20}\n"
            assert (group / "pids.max").read_text() == "10\n"
            pid = run.instance(name)["pid"]
            assert str(pid) in (group / "cgroup.procs").read_text().split()
            assert Path(f"/proc/{pid}").stat().st_uid == NOBODYS_UID
        status, answer = run.request("POST", "/api/v1/config/reload")
        assert status == 200, answer
        assert run.stop() == 0
    finally:
        run.end()
    assert [each.name for each in unit.iterdir() if each.is_dir()] == []
