"""Instances that end in whatever way, and in whatever number, leave nothing behind."""

import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.e2e.standing import cgroups, descendants, standing, wait_same
from tests.require import require_root

Make = Callable[[str], EngineRun]

MANY = 200
KINDS = {
    "plain": 'isolation = "process"',
    "default": "",
    "strict": 'hardening = "strict"',
    "private": 'network = "private"',
}
COMMON = """
command = "sh -c 'sleep 1000 & sleep 1000'"
restart = "never"
startup_timeout = 0
stop_grace = 0
max_instances = 200
"""
CONFIG = "".join(f"[service.{name}]{COMMON}{more}\n" for name, more in KINDS.items())


@pytest.fixture
def run(make_engine: Make) -> EngineRun:
    require_root()
    config = CONFIG.replace('"strict"', '"strict"\nuser = "root"')
    engine = make_engine(config)
    engine.start()
    return engine


def on_all(act: Callable[[str], Any], names: Iterable[str]) -> list[Any]:
    """Ask for something for many at the same time."""
    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(act, names))


@pytest.mark.parametrize("service", KINDS)
def test_one_killed_from_outside_says_so_and_leaves_nothing(run: EngineRun, service: str) -> None:
    name, before = f"{service}:x", standing(run)
    for _ in range(2):  # and it can be started again
        assert run.spawn(name)[0] == 200
        wait_until(lambda: len(descendants(run)) >= 2, "its own child runs")
        view = run.instance(name)
        os.kill(view["pid"], signal.SIGKILL)
        view = run.wait_state(name, "failed")
        assert view["why"]["summary"] == "killed by SIGKILL"
        assert view["why"]["signal"] == "SIGKILL"
        wait_same(run, before)
    told = [each["text"] for each in run.events() if each.get("instance") == name]
    assert sum("killed by SIGKILL" in text for text in told) == 2


def test_two_hundred_started_at_once_and_stopped_leave_nothing(run: EngineRun) -> None:
    names = [f"{('default', 'private')[number % 2]}:n{number}" for number in range(MANY)]
    before = standing(run)
    refused = [answer for status, answer in on_all(run.spawn, names) if status != 200]
    assert refused == []
    # PID 1, the shell and two sleeps of each.
    wait_until(lambda: len(descendants(run)) == 4 * MANY, "all of each runs")
    assert cgroups(run) in (set(names), set())
    views = run.instances()
    assert len({os.readlink(f"/proc/{views[name]['pid']}/ns/pid") for name in names}) == MANY
    assert set(on_all(run.stop_instance, names)) == {204}
    wait_same(run, before)
    assert run.stop() == 0
