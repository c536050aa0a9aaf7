"""engine.daemon.metric_store: what is kept, for how long, and what happens when it cannot be."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.core.errors import NotFound, Refused
from engine.core.metrics import INSTANCE_METRICS, KEEP_SECONDS, MAX_POINTS, Layout
from engine.core.wire import HostSample, Sample
from engine.daemon.metric_file import file_bytes
from engine.daemon.metric_store import FOLDER, MetricStore

NOW = 1_800_000_000.25


class Told(list[tuple[str, str]]):
    def __call__(self, text: str, level: str) -> None:
        self.append((text, level))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, told: Told) -> Iterator[MetricStore]:
    store = MetricStore(tmp_path, told, 2**40)
    yield store
    store.close()


def take(store: MetricStore, time: float, cpu: float, *names: str) -> None:
    samples = {name: Sample(time, cpu_cores=cpu) for name in names or ("api:alice",)}
    store.take(HostSample(time, cpu_cores=cpu), samples)


@contextmanager
def no_room() -> Iterator[None]:
    """Have the kernel refuse all that makes a file larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_missing_second_is_a_gap_and_no_zero(store: MetricStore) -> None:
    for second in (0, 1, 2, 6, 7):
        take(store, NOW + second, 0.5)
    found = store.read("api:alice", "cpu", since=NOW - 60, until=NOW + 8, now=NOW + 7)
    assert [point.time - int(NOW) for point in found.points] == [0, 1, 2, 6, 7]
    assert {point.mean for point in found.points} == {0.5}
    assert (found.step, found.unit) == (1, "cores")


def folders(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / FOLDER).iterdir() if path.is_dir()]


def test_the_past_is_there_for_the_next_engine(
    store: MetricStore, tmp_path: Path, told: Told
) -> None:
    for second in range(0, 4000, 10):
        take(store, NOW + second, float(second))
    store.close()
    modes = {oct(path.stat().st_mode & 0o777) for path in [tmp_path / FOLDER, *folders(tmp_path)]}
    assert modes == {"0o700"}
    now = NOW + 4000
    for name in ("api:alice", "host"):
        found = store.read(name, "cpu", since=NOW, until=now, now=now)
        assert len(found.points) <= MAX_POINTS
        assert found.points[0].low == 0
        assert found.points[-1].high == pytest.approx(3990, rel=1e-3)
    assert told == []


def test_a_clock_set_back_loses_nothing_that_comes_after(store: MetricStore) -> None:
    for second in range(5):
        take(store, NOW + 7200 + second, 1.0)
    for second in range(5):
        take(store, NOW + second, 2.0)
    found = store.read("api:alice", "cpu", since=NOW - 60, until=NOW + 5, now=NOW + 5)
    assert [point.mean for point in found.points] == [2.0] * 5


def test_instances_of_a_service_add_up(store: MetricStore) -> None:
    for second in range(4):
        take(store, NOW + second, 0.5, "api:alice", *(["api:bob"] if second > 1 else []), "web:x")
    span = {"since": NOW - 60, "until": NOW + 4, "now": NOW + 3}
    found = store.read_service("api", "cpu", **span)
    assert (found.instance, found.unit) == ("api", "cores")
    assert [point.mean for point in found.points] == [0.5, 0.5, 1.0, 1.0]
    greatest = store.read_service("api", "throttled", **span)
    assert {point.high for point in greatest.points} == {0.0}
    with pytest.raises(NotFound, match="No metrics of nobody"):
        store.read_service("nobody", "cpu", **span)
    with pytest.raises(NotFound):
        store.read_service("api", "memry", **span)
    for name in ("..", ".", "", "../.."):
        with pytest.raises(NotFound):
            store.read_service(name, "cpu", **span)


def test_unknown_names_are_answered_with_the_nearest(store: MetricStore) -> None:
    take(store, NOW, 1.0)
    span = {"since": NOW - 60, "until": NOW + 1, "now": NOW}
    with pytest.raises(NotFound) as metric:
        store.read("api:alice", "memry", **span)
    assert metric.value.hint == "did you mean memory?"
    with pytest.raises(NotFound) as instance:
        store.read("api:alise", "cpu", **span)
    assert instance.value.hint == "did you mean api:alice?"
    with pytest.raises(Refused):
        store.read("api:alice", "cpu", since=NOW, until=NOW, now=NOW)


def test_a_full_disk_is_told_once_and_when_it_is_over(store: MetricStore, told: Told) -> None:
    with no_room():
        take(store, NOW, 1.0)
        take(store, NOW + 1, 1.0)
        assert [level for _, level in told] == ["warning"]
        assert "figures are not kept: File too large" in told[0][0]
    take(store, NOW + 2, 1.0)
    assert told[1:] == [("figures are kept again", "info")]
    found = store.read("api:alice", "cpu", since=NOW - 9, until=NOW + 3, now=NOW + 3)
    assert [point.time - int(NOW) for point in found.points] == [2]


FILE = file_bytes(len(INSTANCE_METRICS))


def kept_files(tmp_path: Path) -> list[str]:
    return sorted(path.stem for path in (tmp_path / FOLDER / "api").iterdir())


def test_files_go_after_their_time_and_the_oldest_when_all_are_too_much(
    tmp_path: Path, told: Told
) -> None:
    store = MetricStore(tmp_path, told, FILE + 100_000)
    take(store, NOW, 1.0, "api:bob")
    take(store, NOW + 1, 1.0)  # bob has ended: what he wrote is little
    store.most_bytes = 10 * FILE
    take(store, NOW + 2, 1.0, "api:old", "api:older", "api:bob")
    store.close()
    folder = tmp_path / FOLDER / "api"
    for name, age in (("old", 100.0), ("older", KEEP_SECONDS + 10.0), ("bob", 1.0)):
        os.utime(folder / f"{name}.ring", (NOW - age, NOW - age))
    take(store, NOW + 8000, 1.0, "api:bob")
    assert kept_files(tmp_path) == ["alice", "bob", "old"]
    store.most_bytes = FILE
    take(store, NOW + 8001, 1.0, "api:bob")
    assert kept_files(tmp_path) == ["bob"]
    assert told == []
    store.close()


def test_what_runs_never_grows_beyond_the_bound(tmp_path: Path, told: Told) -> None:
    store = MetricStore(tmp_path, told, 2 * FILE)
    take(store, NOW, 1.0, "api:a", "api:b", "api:c")
    take(store, NOW + 1, 1.0, "api:a", "api:b", "api:c")
    assert kept_files(tmp_path) == ["a", "b"]
    assert len(told) == 1
    assert "metrics_max" in told[0][0]
    store.most_bytes = 3 * FILE
    take(store, NOW + 2, 1.0, "api:a", "api:b", "api:c")
    take(store, NOW + 3, 1.0, "api:a", "api:b", "api:c")
    assert kept_files(tmp_path) == ["a", "b", "c"]
    assert [level for _, level in told] == ["warning", "info"]
    store.close()


def test_one_that_ended_gives_way_to_one_that_begins(tmp_path: Path, told: Told) -> None:
    store = MetricStore(tmp_path, told, FILE + 4096)
    take(store, NOW, 1.0, "api:a")
    take(store, NOW + 1, 1.0, "api:b")
    take(store, NOW + 2, 1.0, "api:b")
    assert kept_files(tmp_path) == ["b"]
    assert told == []
    store.close()


def test_a_purged_past_is_gone_and_what_runs_begins_anew(store: MetricStore) -> None:
    for second in (0, 1, 2):
        take(store, NOW + second, 0.5, "api:alice", "api:bob")
    store.purge("api:alice")
    with pytest.raises(NotFound, match="No metrics of api:alice"):
        store.purge("api:alice")
    take(store, NOW + 3, 0.25, "api:alice", "api:bob")
    counts = [
        len(store.read(name, "cpu", since=NOW - 60, until=NOW + 4, now=NOW + 3).points)
        for name in ("api:alice", "api:bob")
    ]
    assert counts == [1, 4]


def test_a_file_of_other_metrics_begins_anew(store: MetricStore, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "api" / "alice.ring"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else" * 1000)
    take(store, NOW, 1.0)
    found = store.read("api:alice", "cpu", since=NOW - 9, until=NOW + 1, now=NOW + 1)
    assert [point.mean for point in found.points] == [1.0]
    assert path.stat().st_size == 4096 + Layout(len(INSTANCE_METRICS)).size
