"""Buckets, merging and percentiles."""

import pytest

from engine.core import latency
from engine.core.latency import BOUNDS_MS, BUCKETS, Traffic


def counts(**places: int) -> list[int]:
    buckets = latency.empty()
    for place, count in places.items():
        buckets[int(place[1:])] = count
    return buckets


@pytest.mark.parametrize(
    ("ms", "bucket"),
    [(0, 0), (1, 0), (1.01, 1), (5, 1), (5000, 9), (5000.1, 10), (1e12, 10)],
)
def test_a_bound_belongs_to_the_bucket_below_it(ms: float, bucket: int) -> None:
    assert latency.bucket_of(ms) == bucket


def test_the_bounds_are_the_peers() -> None:
    assert BOUNDS_MS == (1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000)
    assert BUCKETS == 11


def test_percentiles_are_linear_inside_a_bucket() -> None:
    buckets = counts(b4=100)
    assert latency.percentile(buckets, 0.5) == pytest.approx(37.5)
    assert latency.percentile(buckets, 1.0) == 50
    assert latency.percentile(buckets, 0.0) == 25


def test_percentiles_cross_buckets() -> None:
    buckets = counts(b0=90, b8=10)
    assert latency.percentile(buckets, 0.5) == pytest.approx(0.5556, abs=1e-3)
    assert latency.percentile(buckets, 0.95) == pytest.approx(750)


def test_nothing_has_no_latency() -> None:
    assert latency.percentile(latency.empty(), 0.95) == 0


def test_the_unbounded_bucket_reads_as_its_lower_bound() -> None:
    assert latency.percentile(counts(b10=3), 0.5) == 5000
    assert latency.percentile(counts(b0=1, b10=1), 0.99) == 5000


def test_a_share_out_of_range_is_held() -> None:
    buckets = counts(b1=4)
    assert latency.percentile(buckets, 7) == 5
    assert latency.percentile(buckets, -1) == 1


def test_cumulative_counts() -> None:
    assert latency.cumulative(counts(b0=2, b3=1, b10=4)) == [2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 7]


def test_merging_needs_histograms_of_one_kind() -> None:
    with pytest.raises(ValueError, match="11 buckets, not 11 and 3"):
        latency.merge(latency.empty(), [1, 2, 3])


def test_traffic_adds_up() -> None:
    traffic = Traffic()
    traffic.add(3, 1, 12.5, counts(b0=2, b2=1))
    traffic.add(1, 0, 7.5, counts(b2=1))
    assert (traffic.requests, traffic.errors, traffic.duration_ms_sum) == (4, 1, 20.0)
    assert traffic.buckets == counts(b0=2, b2=2)


def test_refused_traffic_changes_nothing() -> None:
    traffic = Traffic()
    with pytest.raises(ValueError, match="buckets"):
        traffic.add(1, 1, 1.0, [1])
    assert traffic == Traffic()
