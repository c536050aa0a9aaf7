"""Outside: one machine runs all selected tests of this folder. Inside: what they need."""

import shutil
from collections.abc import Iterator

import pytest

from tests import leaks
from tests.e2e.conftest import make_engine
from tests.e2e.engine_run import EngineRun
from tests.vm import guest
from tests.vm.machine import require_machine
from tests.vm.relay import Relay
from tests.vm.services import CONFIG

__all__ = ["make_engine"]

_relay = pytest.StashKey[Relay]()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRun]:
    """Start one engine for all: in the machine that takes as long as a test."""
    before = leaks.look()
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(str(shutil.which("busybox")), folder / "busybox")
    run = EngineRun(folder, CONFIG)
    run.start()
    yield run
    run.end()
    assert leaks.wait_clean(before, 30.0) == {}


@pytest.fixture
def engine(_shared: EngineRun) -> Iterator[EngineRun]:
    """Lend the engine of `services.CONFIG`; no instance runs at the beginning."""
    yield _shared
    for view in _shared.instances().values():
        if view.get("pid"):
            assert _shared.stop_instance(view["name"]) == 204


def _is_ours(item: pytest.Item) -> bool:
    return "/tests/vm/" in str(item.path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in filter(_is_ours, items):
        item.add_marker(pytest.mark.vm)
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shares_engine)
        if not guest.is_inside():
            item.add_marker(pytest.mark.timeout(0))  # the machine has a time limit of its own


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Let a test run in the machine, which is booted for the first one."""
    if guest.is_inside() or not _is_ours(item):
        return None
    stash = item.config.stash
    if _relay not in stash:
        try:
            stash[_relay] = Relay([each.nodeid for each in item.session.items if _is_ours(each)])
        except (pytest.skip.Exception, pytest.fail.Exception):
            return None  # pytest_runtest_setup says so for each test
    stash[_relay].run(item)
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _is_ours(item) and not guest.is_inside():
        require_machine()
        pytest.fail("runs in the machine only")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    if _relay in session.config.stash:
        session.config.stash[_relay].close()
    yield
