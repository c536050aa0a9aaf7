"""A public checker of containers finds no way out of an instance, and finds some beside it.

Its enumerator runs inside and writes down what it sees; its analysis matches that against the
ways out it knows. It asks for cloud metadata, so all of it runs without a network. gVisor is not
tried: the checker takes the version that it claims, 4.4, for a Linux of that age with its holes.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.installed import installed
from tests.require import require_root

CONFIG = """
[service.checker]
command = "sh enumerate.sh"
network = "private"
restart = "never"
startup_timeout = 0
{more}
"""
LEVELS = {"namespace": "", "strict": 'hardening = "strict"'}


@pytest.fixture
def checker() -> Path:
    require_root()
    return installed("checker")


def enumerator(checker: Path) -> str:
    (script,) = checker.parent.glob("lib/python*/site-packages/cepheus/enumerator/*.sh")
    return script.read_text()


def analysed(checker: Path, posture: bytes, folder: Path) -> dict[str, Any]:
    """Have the checker say what it makes of what its enumerator saw."""
    file = folder / "posture.json"
    file.write_bytes(posture)
    command = [checker / "cepheus", "analyze", file, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, check=True, cwd=folder)
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["total_techniques_checked"] >= 75
    return found


def test_it_finds_ways_out_of_root_on_the_host(checker: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        ["unshare", "--net", "sh"], input=enumerator(checker).encode(), stdout=subprocess.PIPE
    )
    assert analysed(checker, ran.stdout, tmp_path)["techniques_matched"] >= 20


@pytest.mark.parametrize("level", LEVELS)
def test_it_finds_no_way_out_of_an_instance(
    checker: Path, make_engine: Callable[[str], EngineRun], tmp_path: Path, level: str
) -> None:
    run = make_engine(CONFIG.format(more=LEVELS[level]))
    for each in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        each.chmod(0o711)  # pytest closes them to others
    run.folder.chmod(0o755)
    (run.folder / "enumerate.sh").write_text(enumerator(checker))
    run.start()
    assert run.spawn("checker:x")[0] == 200
    run.wait_state("checker:x", "stopped", "failed", seconds=60)
    wait_until(lambda: run.lines("checker:x")[-1:] == ["}"], "its output is there")
    found = analysed(checker, "\n".join(run.lines("checker:x")).encode(), tmp_path)
    assert found["posture"]["capabilities"]["effective"] == []
    assert [each["technique_id"] for each in found["remediations"]] == []
    assert found["techniques_matched"] == 0
