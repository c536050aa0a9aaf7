"""What is told of kills, and which end they explain."""

import signal
from pathlib import Path

import pytest

from engine.core.oom import OomKill
from engine.core.spec import ServiceSpec
from engine.core.wire import EventKind
from engine.daemon import oom as oom_module
from engine.daemon.instance import Enforced, Instance
from engine.daemon.journal import Journal
from engine.daemon.oom import OomWatch
from engine.daemon.said import exited
from engine.daemon.store import Store
from engine.daemon.stream import Broadcaster
from engine.kernel.cgroup import Cgroup
from tests.fakes import FakeControl

MIB = 2**20


class Living:
    """A process whose cgroup is a folder of plain files."""

    def __init__(self, folder: Path, *, is_alive: bool = True) -> None:
        self.cgroup = Cgroup(str(folder))
        self._is_alive = is_alive

    def is_alive(self) -> bool:
        return self._is_alive


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "ten.db") as made:
        yield made


@pytest.fixture
def watch(store: Store) -> OomWatch:
    return OomWatch(Journal(store, Broadcaster(FakeControl("/x").snapshot)))


def events(folder: Path, kills: int, ooms: int) -> None:
    (folder / "memory.events").write_text(f"oom {ooms}\noom_kill {kills}\n")


def instance_in(folder: Path, *, is_alive: bool = True) -> Instance:
    instance = Instance("api:a", ServiceSpec(name="api", command="x"))
    instance.process = Living(folder, is_alive=is_alive)  # type: ignore[assignment]
    instance.enforced = Enforced(memory_bytes=64 * MIB)
    return instance


def test_kills_are_told_once(
    tmp_path: Path, store: Store, watch: OomWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(oom_module.time, "monotonic", lambda: now)
    events(tmp_path, kills=2, ooms=2)  # from before
    instance = instance_in(tmp_path)
    watch.begin(instance)
    assert watch.look(instance) is None
    (tmp_path / "memory.peak").write_text(f"{63 * MIB}\n")
    events(tmp_path, kills=3, ooms=3)
    found = watch.look(instance)
    assert found == OomKill(kills=1, limit_bytes=64 * MIB, peak_bytes=63 * MIB, is_own=True)
    assert watch.look(instance) is None
    events(tmp_path, kills=4, ooms=3)  # another of the same group
    assert watch.look(instance) is not None
    now += oom_module.RECENT_SECONDS
    events(tmp_path, kills=6, ooms=3)
    found = watch.look(instance)
    assert found is not None
    assert (found.kills, found.is_own) == (2, False)
    assert instance.oom_kills == 4
    told = store.events()
    assert [(each.kind, each.level, each.instance) for each in told] == [
        (EventKind.STATE, "error", "api:a")
    ] * 2
    instance.process.cgroup.close()  # type: ignore[union-attr]


def test_a_kill_just_before_the_end_explains_it(
    tmp_path: Path, watch: OomWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(oom_module.time, "monotonic", lambda: now)
    instance = instance_in(tmp_path)
    events(tmp_path, kills=0, ooms=0)
    for pause, is_explained in ((1.0, True), (60.0, False)):
        watch.begin(instance)
        kills = int((tmp_path / "memory.events").read_text().split()[-1]) + 1
        events(tmp_path, kills=kills, ooms=kills)
        assert watch.look(instance) is not None
        now += pause
        assert (watch.end(instance) is not None) == is_explained
    assert watch.end(instance) is None
    instance.process.cgroup.close()  # type: ignore[union-attr]


def test_one_that_ended_before_it_was_watched_counts_from_its_start(
    tmp_path: Path, watch: OomWatch
) -> None:
    events(tmp_path, kills=1, ooms=1)
    instance = instance_in(tmp_path, is_alive=False)
    watch.begin(instance)
    assert watch.end(instance) is not None
    instance.process.cgroup.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "is_named"),
    [
        (signal.SIGKILL, True),
        (137 << 8, True),
        (None, True),
        (signal.SIGSEGV, False),
        (1 << 8, False),
        (0, False),
    ],
)
def test_only_an_end_by_a_kill_is_blamed_on_memory(status: int | None, is_named: bool) -> None:
    kill = OomKill(kills=1, limit_bytes=MIB)
    why = exited(status, 5.0, ("last words",), kill).why
    assert why is not None
    assert (why.summary == kill.summary()) == is_named
    assert (why.stderr_tail, why.since) == (("last words",), 5.0)
    plain = exited(status, 5.0, ()).why
    assert plain is not None
    assert "memory" not in plain.summary
