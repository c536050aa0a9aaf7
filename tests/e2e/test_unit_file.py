"""What the unit of `ten install` takes away is nothing the engine needs."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.kernel.seccomp import Argument, Rule, compile_filter
from tests.e2e.engine_run import TENANT
from tests.e2e.world import HOST, OUTSIDE, PORT, EngineThere, world
from tests.require import require_program, require_root

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "ten_tui" / "cli" / "tenement.service"
GROUP = UNIT.with_name("tenement-instances.service")
GUEST = f"{sys.executable} -S {Path(__file__).parent / 'guest.py'}"
CONFIG = f"""
[service.web]
command = "{TENANT}"
health = "/health"
hardening = "strict"
stop_grace = 1

[service.private]
command = "{TENANT}"
hardening = "strict"
network = "private"
port = 80
health = "/health"
stop_grace = 1

[service.out]
command = "{GUEST}"
hardening = "strict"
network = "outbound"
health = "/health"
stop_grace = 1

[service.plain]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1

[instances]
web = ["a"]
private = ["a"]
out = ["a"]
plain = ["a"]
"""


def values(key: str) -> list[str]:
    """Give the words of all lines of a key."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines()]
    return [
        word.removeprefix("~") for name, _, text in lines if name == key for word in text.split()
    ]


def taken_away() -> list[str]:
    """Name the capabilities the unit takes from the bounding set."""
    return [name.removeprefix("CAP_").lower() for name in values("CapabilityBoundingSet")]


def calls_of(group: str) -> list[str]:
    """Ask systemd what is in a group of calls, in none of which there is another group."""
    command = ["systemd-analyze", "syscall-filter", "--no-pager", group]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    words = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")]
    assert words
    return [word for word in words if word[0] not in "#@"]


def unit_filter() -> list[Rule]:
    """Refuse what systemd refuses to whom the unit starts. Source: systemd.exec(5)."""
    rules = [Rule(call) for group in values("SystemCallFilter") for call in calls_of(group)]
    families = {getattr(socket, name).value for name in values("RestrictAddressFamilies")}
    assert len(families) == 4
    refused = errno.EAFNOSUPPORT
    others = set(range(socket.AF_VSOCK + 5)) - families
    rules += [Rule("socket", (Argument(0, family),), refused) for family in others]
    realtime = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
    rules += [Rule("sched_setscheduler", (Argument(1, policy),)) for policy in realtime]
    for bit in (0o4000, 0o2000):
        for call, index in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdirat", 2)):
            rules.append(Rule(call, (Argument(index, bit, bit),)))
    return [*rules, Rule("openat2", errno=errno.ENOSYS)]


class UnitRun(EngineThere):
    """An engine with the capabilities and the calls the unit leaves it."""

    def popen(self, *arguments: str, doors: int = 1) -> subprocess.Popen[bytes]:
        less = f"--bounding-set={','.join(f'-{name}' for name in taken_away())}"
        filter_ = [sys.executable, "-m", "tests.e2e.confined", compile_filter(unit_filter()).hex()]
        return subprocess.Popen(
            [*filter_, "setpriv", less, *self.command(*arguments, doors=doors)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=self.folder,
        )


@pytest.fixture
def run(tmp_path: Path) -> Iterator[UnitRun]:
    require_program("setpriv", "util-linux")
    require_program("systemd-analyze", "systemd")
    folder = tmp_path / "run"
    folder.mkdir()
    with world() as there:
        yield UnitRun(folder, CONFIG, there)


def test_the_engine_works_with_what_the_unit_leaves_it(run: UnitRun) -> None:
    assert {"sys_module", "sys_time"} <= set(taken_away())
    assert all(name.replace("_", "").isalpha() for name in taken_away())
    try:
        run.start()
        for name in ("web:a", "private:a", "out:a", "plain:a"):
            run.wait_state(name, "healthy")
            found = run.get(f"/api/instances/{name}/inspect")
            assert found["mismatches"] == []
        bounding = found["live"]["capabilities"]["bounding"]
        assert not set(taken_away()) & set(bounding)
        plain = psutil.Process(run.instance("plain:a")["pid"])
        assert "\nSeccomp:\t2\n" in Path(f"/proc/{plain.pid}/status").read_text()
        run.kill_engine()
        assert run.visit("a.web")[0] == run.visit("a.private")[0] == 200
        assert run.visit("a.out", f"/dial/{OUTSIDE}/{PORT}")[1] == f"reached hello {HOST}"
    finally:
        run.end()


def test_the_unit_gives_what_the_engine_asks_of_systemd() -> None:
    text = UNIT.read_text().splitlines()
    for line in ("Requires=tenement-instances.service", "Type=notify", "KillMode=mixed"):
        assert line in text
    assert "Delegate=yes" in GROUP.read_text().splitlines()


def test_systemd_finds_little_that_could_still_be_taken_away() -> None:
    """What is left above the bound, the engine needs: namespaces, mounts, users, cgroups."""
    require_program("systemd-analyze", "systemd")
    require_root()  # it makes a folder in /run
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=67"]
    done = subprocess.run([*command, str(UNIT)], capture_output=True, text=True)
    assert done.returncode == 0, [*done.stdout.splitlines()[-1:], done.stderr]
    assert "Overall exposure level for tenement.service" in done.stdout
