"""Request latency as counts in eleven buckets: what is stored, added up and read percentiles from.

The bounds are the peer's, so that its dashboards keep working.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOUNDS_MS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)
"""Upper bounds in milliseconds, inclusive; one more bucket holds what is slower."""

BUCKETS = len(BOUNDS_MS) + 1

_LEAST_RANK = 1e-9


def empty() -> list[int]:
    """Give a histogram without a request."""
    return [0] * BUCKETS


def bucket_of(ms: float) -> int:
    """Tell which bucket a latency is counted in; a bound belongs to the bucket below it."""
    return bisect_left(BOUNDS_MS, ms)


def merge(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Add two histograms.

    Raises:
        ValueError: One of them has not `BUCKETS` buckets.
    """
    if len(first) != BUCKETS or len(second) != BUCKETS:
        message = f"a histogram has {BUCKETS} buckets, not {len(first)} and {len(second)}"
        raise ValueError(message)
    return [one + other for one, other in zip(first, second, strict=True)]


def cumulative(buckets: Iterable[int]) -> list[int]:
    """Count requests up to each bound, as the Prometheus exposition wants them."""
    return list(accumulate(buckets))


def percentile(buckets: Sequence[int], share: float) -> float:
    """Estimate the latency that `share` (0 to 1) of the requests stay at or below.

    Linear within the bucket it falls in. The last bucket has no upper bound: there the answer
    is 5,000 ms, which reads as "at least". 0 where there is no request.
    """
    counts = cumulative(buckets)
    if counts[-1] <= 0:
        return 0.0
    rank = min(max(share, 0.0), 1.0) * counts[-1]
    # The first bucket that reaches the rank; a rank of nothing is in the first that holds any.
    index = bisect_left(counts, max(rank, _LEAST_RANK))
    if index == len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    low = BOUNDS_MS[index - 1] if index else 0.0
    below = counts[index] - buckets[index]
    return low + (BOUNDS_MS[index] - low) * (rank - below) / buckets[index]


class Traffic(msgspec.Struct, kw_only=True):
    """Counters of one instance's requests; those of `engine.daemon.control.RequestTotals`.

    Attributes:
        requests: Requests that reached an attempt at the instance.
        errors: Those answered with 5xx, and those that failed.
        duration_ms_sum: Their latencies added up.
        buckets: Requests by latency, not cumulative.
    """

    requests: int = 0
    errors: int = 0
    duration_ms_sum: float = 0.0
    buckets: list[int] = msgspec.field(default_factory=empty)

    def note(self, ms: float) -> None:
        """Count one more."""
        self.requests += 1
        self.duration_ms_sum += ms
        self.buckets[bucket_of(ms)] += 1

    def add(self, requests: int, errors: int, ms_sum: float, buckets: Sequence[int]) -> None:
        """Count what came since the last call.

        Raises:
            ValueError: Not `BUCKETS` buckets; nothing is counted then.
        """
        self.buckets = merge(self.buckets, buckets)
        self.requests += requests
        self.errors += errors
        self.duration_ms_sum += ms_sum
