"""The outer side: boots the machine, and hands out what the pytest in it reports."""

import json
import time
from typing import Any, TextIO

import pytest

from tests.vm import guest
from tests.vm.machine import Machine

Reports = list[dict[str, Any]]


class Relay:
    """One machine that runs some tests, in their order."""

    def __init__(self, names: list[str]) -> None:
        self._machine = Machine(guest.command(), {guest.NAMES: "".join(f"{n}\n" for n in names)})
        self._file: TextIO | None = None
        self._rest = ""
        self._reports: dict[str, Reports] = {}
        self._finished: set[str] = set()

    def run(self, item: pytest.Item) -> None:
        """Wait until a test is through, and report it as if it had run here."""
        config, hook = item.config, item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for data in self._wait(item.nodeid):
            report = config.hook.pytest_report_from_serializable(config=config, data=data)
            hook.pytest_runtest_logreport(report=report)
        if item.nodeid not in self._finished:
            text = f"the machine ended before this test did; its console says:\n{self._told()}"
            call = pytest.CallInfo.from_call(lambda: pytest.fail(text, pytrace=False), "call")
            hook.pytest_runtest_logreport(report=pytest.TestReport.from_item_and_call(item, call))
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _told(self) -> str:
        return self._machine.told()

    def _wait(self, name: str) -> Reports:
        while name not in self._finished:
            was_running = self._machine.is_running()
            if not self._read() and not was_running:
                break
            time.sleep(0.05)
        return self._reports.get(name, [])

    def _read(self) -> bool:
        """Take what has come; tell whether anything has."""
        path = self._machine.share / guest.REPORTS
        if self._file is None:
            if not path.exists():
                return False
            self._file = path.open()
        text = self._file.read()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            name, report = json.loads(line)
            if report is None:
                self._finished.add(name)
            else:
                self._reports.setdefault(name, []).append(report)
        return bool(text)

    def close(self) -> None:
        """Switch the machine off."""
        if self._file is not None:
            self._file.close()
        self._machine.end()
