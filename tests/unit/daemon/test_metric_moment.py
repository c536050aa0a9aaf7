"""engine.daemon.metric_moment: one moment out of many files, while they are written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.wire import HostSample, Sample
from engine.daemon.metric_store import FOLDER, MetricStore

NOW = 1_800_000_000.25


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetricStore]:
    store = MetricStore(tmp_path, lambda *_: None, 2**40)
    yield store
    store.close()


def feed(store: MetricStore, seconds: int, *names: str) -> None:
    for second in range(seconds):
        at = NOW + second
        sample = Sample(at, cpu_cores=second / 4, log_lines=8.0, log_errors=2.0)
        store.take(HostSample(at, cpu_cores=second / 2), dict.fromkeys(names, sample))


def test_a_moment_of_what_runs_and_of_what_ended(store: MetricStore) -> None:
    feed(store, 8, "api:alice", "api:bob")
    store.take(HostSample(NOW + 8), {"api:bob": Sample(NOW + 8, cpu_cores=9.0)})
    found = store.moment(["api:alice", "api:bob", "api:never"], NOW + 6, NOW + 8)
    assert sorted(found.instances) == ["api:alice", "api:bob"]
    assert (found.instances["api:alice"].cpu_cores, found.host.cpu_cores) == (1.5, 3.0)
    assert found.step == 1
    assert found.lines["api:bob"][-1] == 8.0
    assert found.errors["api:bob"][-1] == 2.0
    later = store.moment(["api:alice", "api:bob"], NOW + 12, NOW + 13)
    assert later.instances == {}  # nobody was measured then
    missing = store.moment(["api:alice", "api:bob"], NOW + 8, NOW + 9)
    assert missing.instances["api:bob"].cpu_cores == 9.0
    assert missing.instances["api:alice"].time == NOW + 8  # a second late is not gone


def test_an_older_moment_is_the_mean_of_its_step(store: MetricStore) -> None:
    feed(store, 12, "api:alice")
    found = store.moment(["api:alice"], NOW + 3, NOW + 2000)
    assert found.step == 10
    assert found.instances["api:alice"].cpu_cores == pytest.approx(sum(range(10)) / 40, rel=0.001)
    assert found.lines["api:alice"][-1] == 8.0


def test_a_file_that_is_none_is_left_out(store: MetricStore, tmp_path: Path) -> None:
    feed(store, 3, "api:alice")
    (tmp_path / FOLDER / "api" / "odd.ring").write_bytes(b"odd")
    found = store.moment(["api:alice", "api:odd"], NOW + 2, NOW + 2)
    assert list(found.instances) == ["api:alice"]
