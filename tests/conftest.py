"""Fixtures of all tests."""

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import leaks, require

settings.register_profile(
    "fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("TEN_HYPOTHESIS", "fast"))

_REAL = ("/tests/kernel/", "/tests/e2e/", "/tests/vm/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Among workers: begin with what takes longest, so that all end at about the same time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not item.get_closest_marker("vm"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Give a worker a whole file, and one of them all that runs in the one machine."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


class ByFile(LoadScopeScheduling):
    """Files, and tests/vm as if it were one."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/vm" if nodeid.startswith("tests/vm/") else nodeid.split("::", 1)[0]


@pytest.fixture(scope="session", autouse=True)
def _subreaper() -> None:
    leaks.become_subreaper()
    # In a shell's background they are ignored, and every program started here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of real processes that leaves anything behind, also when it failed itself."""
    is_shared = request.node.get_closest_marker("shares_engine") is not None
    if is_shared or not any(part in str(request.path) for part in _REAL):
        yield
        return
    before = leaks.look()
    yield
    left = leaks.wait_clean(before)
    leaks.end_processes(before)
    if left:
        pytest.fail(f"left behind: {left}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a skip is a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and require.is_everything_required():
        report.outcome = "failed"
        report.longrepr = f"TEN_REQUIRE=all: skipped: {report.longrepr}"
    return report
