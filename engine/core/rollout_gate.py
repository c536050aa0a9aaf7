"""The gate of a rollout: whether the new version may go on, or what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.core import latency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.rollout_plan import Plan

P95 = 0.95

P95_REQUESTS = 100
"""With fewer requests of either side p95 is the fate of a few, and is not compared."""

SLOWER_MS = 5.0
"""A smaller difference is that of a first connection or a cold cache, and says nothing."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of an instance since the engine's database began, as `latency.Traffic` has them.

    Attributes:
        errors: Answers of 5xx, and requests that got no whole answer.
        buckets: By time to the answer's head; () stands for none.
        restarts: How often it came up again by itself.
    """

    requests: int = 0
    errors: int = 0
    buckets: tuple[int, ...] = ()
    restarts: int = 0

    def since(self, mark: Counters) -> Counters:
        """Give what came after a mark.

        The last second before an engine was killed may not be in the database: nothing is less
        than none.
        """
        before = mark.buckets or latency.empty()
        after = self.buckets or latency.empty()
        return Counters(
            requests=max(0, self.requests - mark.requests),
            errors=max(0, self.errors - mark.errors),
            buckets=tuple(max(0, new - old) for new, old in zip(after, before, strict=True)),
            restarts=max(0, self.restarts - mark.restarts),
        )

    @property
    def error_share(self) -> float:
        """Errors for each request, 0 to 1."""
        return min(1.0, self.errors / self.requests) if self.requests else 0.0


def together(counters: Iterable[Counters]) -> Counters:
    """Add up."""
    found = latency.Traffic()
    restarts = 0
    for each in counters:
        found.add(each.requests, each.errors, 0.0, each.buckets or latency.empty())
        restarts += each.restarts
    return Counters(
        requests=found.requests,
        errors=found.errors,
        buckets=tuple(found.buckets),
        restarts=restarts,
    )


def fault_of(plan: Plan, new: Counters, old: Counters) -> str:
    """Say in what the new version's traffic is worse than its plan allows, "" where it is not.

    Args:
        plan: The limits.
        new: The new version's, in the step.
        old: What it is compared with; with fewer than `min_requests` it is not compared.
    """
    if new.requests < plan.min_requests:
        return ""
    is_known = old.requests >= plan.min_requests
    share, old_share = new.error_share, old.error_share if is_known else 0.0
    if share > plan.max_errors + old_share:
        beside = f", {old_share:.2%} of the old version's" if is_known else ""
        return (
            f"{new.errors} of its {new.requests} requests failed ({share:.2%}{beside};"
            f" limit {plan.max_errors:.2%})"
        )
    is_enough = min(new.requests, old.requests) >= P95_REQUESTS
    return _slowness(plan, new, old) if is_known and is_enough and plan.max_p95 else ""


def _slowness(plan: Plan, new: Counters, old: Counters) -> str:
    """Compare p95. Within one bucket a difference is interpolation and says nothing."""
    slow, before = (latency.percentile(each.buckets, P95) for each in (new, old))
    is_other = latency.bucket_of(slow) > latency.bucket_of(before)
    if not is_other or slow <= max(plan.max_p95 * before, before + SLOWER_MS):
        return ""
    return (
        f"its p95 is {slow:.0f} ms, the old version's {before:.0f} ms"
        f" (limit {plan.max_p95:g} times that, {new.requests} requests)"
    )
