"""An engine on a host that cannot give everything: what works does, the rest is refused."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.poor import USED_UP, require_poor

CONFIG = f"""
[service.web]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1

[instances]
web = ["a"]
"""


class PoorRun(EngineRun):
    """An engine of an ordinary user on a host without namespaces."""

    def popen(self, *arguments: str, doors: int = 1) -> subprocess.Popen[bytes]:
        whole = self.command(*arguments, doors=doors)
        return subprocess.Popen(
            [*USED_UP, *whole], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder
        )


@pytest.fixture
def poor(tmp_path: Path) -> PoorRun:
    require_poor()
    return PoorRun(tmp_path, CONFIG)


def test_what_it_can_give_works_and_a_change_it_cannot_give_changes_nothing(poor: PoorRun) -> None:
    try:
        poor.start()
        before = poor.wait_state("web:a", "healthy")
        assert poor.visit("a.web")[0] == 200
        poor.config.write_text(CONFIG.replace('"process"', '"namespace"'))
        wait_until(lambda: poor.get("/api/v1/config").get("error"), "the change is refused")
        view = poor.get("/api/v1/config")
        assert "No space left on device" in view["error"]
        assert (view["error_line"], view["error_key"]) == (4, "service.web.isolation")
        assert poor.instance("web:a")["pid"] == before["pid"]
    finally:
        poor.end()


def test_serve_refuses_what_the_host_cannot_give(poor: PoorRun) -> None:
    poor.config.write_text(CONFIG.replace('"process"', '"namespace"'))
    process = poor.popen()
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"line 4, column 13" in stderr
    assert not (poor.data_dir / "run").exists()
