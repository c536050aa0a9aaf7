"""Histograms add up in any order, and percentiles stay where their requests are."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core import latency

histograms = st.lists(st.integers(0, 10_000), min_size=latency.BUCKETS, max_size=latency.BUCKETS)
latencies = st.lists(st.floats(0, 4_999), min_size=1, max_size=200)


def histogram_of(values: list[float]) -> list[int]:
    buckets = latency.empty()
    for value in values:
        buckets[latency.bucket_of(value)] += 1
    return buckets


@given(latencies, latencies)
def test_merging_is_counting_all(first: list[float], second: list[float]) -> None:
    merged = latency.merge(histogram_of(first), histogram_of(second))
    assert merged == histogram_of(second + first)


@given(histograms, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_grow_with_their_share(buckets: list[int], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert latency.percentile(buckets, low) <= latency.percentile(buckets, high)


@given(latencies, st.floats(0.01, 1))
def test_a_percentile_is_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    estimate = latency.percentile(histogram_of(values), share)
    rank = max(1, -int(-share * len(values) // 1))
    true = sorted(values)[rank - 1]
    bucket = latency.bucket_of(true)
    low = latency.BOUNDS_MS[bucket - 1] if bucket else 0.0
    assert low <= estimate <= latency.BOUNDS_MS[bucket]


@given(histograms)
def test_cumulative_counts_end_at_the_total(buckets: list[int]) -> None:
    counts = latency.cumulative(buckets)
    assert counts == sorted(counts)
    assert counts[-1] == sum(buckets)
