"""A real keeper, engine and door for each test, with nothing left of them afterwards."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import EngineRun


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


def _end_all(folder: Path) -> None:
    """Kill what was started from a folder and still runs: only a failed test has such."""
    for process in psutil.process_iter(["environ"]):
        environ = process.info["environ"] or {}
        if str(environ.get("TEN_DATA_DIR", "")).startswith(str(folder)):
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[Callable[[str], EngineRun]]:
    """Prepare a `ten serve` in a folder of its own; it is ended with the test."""
    runs: list[EngineRun] = []

    def make(config: str) -> EngineRun:
        folder = tmp_path / f"run{len(runs)}"
        folder.mkdir()
        runs.append(EngineRun(folder, config))
        return runs[-1]

    yield make
    for run in runs:
        run.end()
    _end_all(tmp_path)
