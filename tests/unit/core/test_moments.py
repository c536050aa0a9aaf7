"""engine.core.moments: figures of one moment, and the log rate before it."""

import pytest

from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS, KEEP_SECONDS
from engine.core.moments import (
    Moment,
    host_sample_at,
    level_of,
    sample_at,
    spark_bins,
    whole_host,
)
from engine.core.wire import HostSample, Sample

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("age", "level"),
    [(0, 0), (800, 0), (850, 1), (86_000, 1), (86_400, 2), (KEEP_SECONDS, 2), (10**9, 2)],
)
def test_the_finest_ring_that_reaches_back_is_read(age: float, level: int) -> None:
    assert level_of(NOW - age, NOW) == level


def test_samples_are_made_of_the_kept_figures() -> None:
    values = [float(place) + 0.4 for place in range(len(INSTANCE_METRICS))]
    found = sample_at(NOW, values)
    for metric, value in zip(INSTANCE_METRICS, values, strict=True):
        is_whole = isinstance(getattr(Sample(0.0), metric.field), int)
        assert getattr(found, metric.field) == (round(value) if is_whole else value)
    host = host_sample_at(NOW, [2.6] * len(HOST_METRICS))
    assert (host.cpu_cores, host.memory_bytes, host.cores) == (2.6, 3, 1)
    moment = Moment(at=NOW, step=1, host=host, instances={}, lines={}, errors={})
    now = HostSample(NOW, cores=8, memory_total_bytes=9, disk_total_bytes=10)
    whole = whole_host(moment, now).host
    assert (whole.cores, whole.memory_total_bytes, whole.disk_total_bytes) == (8, 9, 10)
    assert whole.cpu_cores == 2.6


def test_the_log_rate_is_brought_to_bins() -> None:
    at = 1_800_000_003.0
    last = int(at // 6)
    seconds = {last * 6 + place: float(place) for place in range(6)} | {last * 6 - 1: 12.0}
    assert spark_bins(seconds, 1, at) == [0.0] * 8 + [12.0, 2.5]
    coarse = {int(at) // 300: 7.0}
    assert spark_bins(coarse, 300, at)[-1] == 7.0
