"""Every step of a launch fails once, in every kind of isolation: it is named, and nothing is left.

The kernel itself refuses the step (see `tests/e2e/sabotaged.py`).
"""

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.kernel.cgroup import find_tree
from engine.kernel.syscalls.steps import STEPS
from tests.e2e.engine_run import EngineRun
from tests.e2e.sabotaged import REFUSED
from tests.e2e.standing import standing, wait_same
from tests.poor import open_the_way
from tests.require import require, require_program, require_root

ROOT = Path(__file__).parents[2]
SERVICES = ("plain", "default", "strict", "private", "rooted")
CANNOT_FAIL = {"keyring"}
"""A kernel without keys has none to leave; see `syscalls.join_session_keyring`."""

ELSEWHERE = {"idmap", "netns", "write", "umask"}
"""Not in these plans: without root, "outbound" and gVisor have them; see test_keeper_spawn."""

COMMON = """command = "sleep 1000"
restart = "never"
startup_timeout = 0
stop_grace = 0
"""
CONFIG = f"""
[service.plain]
{COMMON}
isolation = "process"
user = "auto"
rlimits = {{ nofile = 500 }}
[service.default]
{COMMON}
[service.strict]
{COMMON}
hardening = "strict"
mounts = ["/etc:/run/etc"]
[service.private]
{COMMON}
hardening = "strict"
network = "private"
[service.rooted]
{COMMON}
rootfs = "IMAGE"
"""


class SabotagedRun(EngineRun):
    """An engine some of whose launches fail while a file is there."""

    @property
    def armed(self) -> Path:
        return self.folder / "armed"

    def popen(self, *arguments: str, doors: int = 1) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "engine.keeper", "--bind", "127.0.0.1"]
        command += ["--data-dir", str(self.data_dir), "--config", str(self.config)]
        command += ["--port", str(self.port), "--doors", str(doors)]
        command += ["--engine-command", "-m tests.e2e.sabotaged", *arguments]
        environ = os.environ | {"PYTHONPATH": str(ROOT), "TEN_TEST_SABOTAGE": str(self.armed)}
        return subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder
        )

    def steps(self, name: str) -> list[str]:
        found = self.get(f"/api/instances/{name}/inspect")
        return [str(each["text"]) for each in found["steps"]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[SabotagedRun]:
    require_root()
    require(find_tree() is not None, "no cgroup v2 tree is writable", "run on a host with one")
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o711)
    open_the_way(tmp_path)
    image = tmp_path / "image"
    (image / "bin").mkdir(parents=True)
    shutil.copy(require_program("busybox", "busybox-static"), image / "bin/sleep")
    engine = SabotagedRun(folder, CONFIG.replace("IMAGE", str(image)))
    engine.start()
    yield engine
    engine.end()


def planned(run: SabotagedRun) -> dict[str, str]:
    """Launch one of each service unharmed; name each step, and the instance to fail in it."""
    found = {}
    for service in SERVICES:
        status, answer = run.spawn(f"{service}:clean")
        assert status == 200, answer
        for at, text in enumerate(run.steps(f"{service}:clean")):
            found[f"{service}:s{at}"] = plain(text.replace("clean", f"s{at}"))
        assert run.stop_instance(f"{service}:clean") == 204
    return found


def plain(text: str) -> str:
    """Leave out which uid the engine chose for an instance."""
    return re.sub(r"\b19\d{8}\b", "UID", text)


def check_why(name: str, step: str, answer: dict[str, Any], why: dict[str, Any]) -> None:
    """Check that a failure is told by its step, the kernel's error and the path."""
    op = step.partition(" ")[0]
    number = REFUSED[op][0]
    assert plain(why["step"]) == step, name
    assert why["errno"] == errno.errorcode[number], name
    said = f"{why['step']}: {os.strerror(number)} ({why['errno']})"
    assert why["summary"].startswith(said), (name, why)
    assert said in answer["error"], name
    is_about_a_file = "/" in step or op in {"exec", "attach"}
    path = why.get("path", "")
    assert path.startswith("/") if is_about_a_file else path == "", (name, why)
    assert path in why["summary"], (name, why)


def test_each_step_that_fails_is_named_and_leaves_nothing(run: SabotagedRun) -> None:
    steps = planned(run)
    assert {text.partition(" ")[0] for text in steps.values()} | ELSEWHERE == set(STEPS)
    before = standing(run)
    run.armed.touch()
    launched = []
    for name, step in steps.items():
        status, answer = run.spawn(name)
        if step in CANNOT_FAIL:
            assert status == 200, (name, answer)
            launched.append(name)
            continue
        assert status == 500, (name, step, answer)
        view = run.instance(name)
        assert view["state"] == "failed", (name, view)
        check_why(name, step, answer, view["why"])
    for name in launched:
        assert run.stop_instance(name) == 204
    told = [(event.get("instance"), event["text"]) for event in run.events()]
    for name in steps.keys() - set(launched):
        texts = [plain(text) for whose, text in told if whose == name]
        assert any(steps[name] in text for text in texts), (name, texts)
    wait_same(run, before)

    run.armed.unlink()
    for name in steps:
        status, answer = run.spawn(name)
        assert status == 200, (name, answer)
    assert all(view["pid"] for view in run.instances().values() if view["id"] != "clean")
    for name in steps:
        assert run.stop_instance(name) == 204
    wait_same(run, before)


@pytest.mark.parametrize("service", ["plain", "default", "strict"])
def test_what_lies_in_the_way_of_its_folder_is_named_and_left_alone(
    run: SabotagedRun, service: str
) -> None:
    own, name = run.data_dir / service / "x", f"{service}:x"
    own.parent.mkdir(mode=0o711)
    before = standing(run)
    elsewhere = run.folder / "elsewhere"
    elsewhere.mkdir()
    owner = elsewhere.stat().st_uid
    for put, number in ((own.touch, "EEXIST"), (lambda: own.symlink_to(elsewhere), "ENOTDIR")):
        put()
        assert run.spawn(name)[0] == 500
        view = run.instance(name)
        assert view["state"] == "failed"
        assert view["why"]["errno"] == number, view
        assert view["why"]["path"] == str(own), view
        own.unlink()
        wait_same(run, before)
    assert elsewhere.stat().st_uid == owner
    assert list(elsewhere.iterdir()) == []
    assert run.spawn(name)[0] == 200
    assert run.stop_instance(name) == 204
    wait_same(run, before)
