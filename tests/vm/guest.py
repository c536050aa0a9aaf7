"""Plugin of the pytest in the machine: writes every report where the outer run reads it."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vm.machine import SHARE

NAMES, REPORTS = "names", "reports"

_PATIENCE = 10.0
_TEST_SECONDS = 300
_PASSED = {"PATH", "LANG", "LC_ALL", "TEN_REQUIRE", "TEN_HYPOTHESIS"}


def is_inside() -> bool:
    """Tell whether this pytest runs in the machine."""
    return "TEN_VM" in os.environ


def command() -> str:
    """Write what is to run in the machine: pytest on the tests of the list in the share."""
    passed = {name: text for name, text in os.environ.items() if name in _PASSED}
    passed |= {"HOME": "/root", "TEN_VM": "1", "TEN_TEST_PATIENCE": f"{_PATIENCE:g}"}
    environ = [f"{name}={text}" for name, text in passed.items()]
    pytest_ = [sys.executable, "-m", "pytest", "-p", "tests.vm.guest", "-p", "no:cacheprovider"]
    options = ["-o", f"timeout={_TEST_SECONDS}", "--tb=short", "--color=no", f"@{SHARE}/{NAMES}"]
    return shlex.join(["exec", "env", *environ, *pytest_, *options])


class _Writer:
    """Appends a line for each event."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._file = Path(SHARE, REPORTS).open("a", buffering=1)  # noqa: SIM115 - for all the run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write(report.nodeid, data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(nodeid, None)

    def pytest_unconfigure(self) -> None:
        self._file.close()

    def _write(self, name: str, report: dict[str, Any] | None) -> None:
        self._file.write(json.dumps([name, report], default=str) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if is_inside():
        config.pluginmanager.register(_Writer(config))
