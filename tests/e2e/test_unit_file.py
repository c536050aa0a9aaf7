"""What docs/ten.service takes away is nothing the engine needs."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.engine_run import TENANT, EngineRun
from tests.require import require_program, require_root

UNIT = Path(__file__).parents[2] / "docs" / "ten.service"
CONFIG = f"""
[service.web]
command = "{TENANT}"
health = "/health"
hardening = "strict"
stop_grace = 1

[service.plain]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1

[instances]
web = ["a"]
plain = ["a"]
"""


def taken_away() -> list[str]:
    """Name the capabilities the unit takes from the bounding set."""
    lines = [line for line in UNIT.read_text().splitlines() if line.startswith("CapabilityBound")]
    return [
        name.removeprefix("CAP_").lower() for line in lines for name in line[23:].split() if name
    ]


class UnitRun(EngineRun):
    """An engine with the capabilities the unit leaves it."""

    def popen(self, *arguments: str, doors: int = 1) -> subprocess.Popen[bytes]:
        less = f"--bounding-set={','.join(f'-{name}' for name in taken_away())}"
        return subprocess.Popen(
            ["setpriv", less, *self.command(*arguments, doors=doors)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
        )


@pytest.fixture
def run(tmp_path: Path) -> UnitRun:
    require_root()
    require_program("setpriv", "util-linux")
    folder = tmp_path / "run"
    folder.mkdir()
    return UnitRun(folder, CONFIG)


def test_the_engine_works_with_what_the_unit_leaves_it(run: UnitRun) -> None:
    assert {"sys_module", "sys_time"} <= set(taken_away())
    assert all(name.replace("_", "").isalpha() for name in taken_away())
    try:
        run.start()
        for name in ("web:a", "plain:a"):
            run.wait_state(name, "healthy")
            found = run.get(f"/api/instances/{name}/inspect")
            assert found["mismatches"] == []
        bounding = found["live"]["capabilities"]["bounding"]
        assert not set(taken_away()) & set(bounding)
        run.kill_engine()
        assert run.visit("a.web")[0] == 200
    finally:
        run.end()


def test_the_unit_gives_what_the_engine_asks_of_systemd() -> None:
    text = UNIT.read_text().splitlines()
    for line in ("Delegate=yes", "Type=notify", "KillMode=mixed"):
        assert line in text
