"""Which requests may start an instance."""

from __future__ import annotations

from typing import assert_never

import msgspec

from engine.core.spec import ServiceSpec, Wake

NEW_PER_SECOND = 10.0
"""Instances with an id never seen that requests may make of one service."""

NEW_BURST = 20
"""So many of them at once."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a request gets no instance.

    Attributes:
        retry_after: Seconds after which another try may be better, 0 where none will be.
    """

    reason: str
    retry_after: float = 0.0


class TokenBucket:
    """Lets `burst` things pass at once and `rate` a second after that."""

    def __init__(self, rate: float = NEW_PER_SECOND, burst: int = NEW_BURST) -> None:
        """Begin full."""
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take a token; give 0, or the seconds until there will be one."""
        if self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


def admit_request(
    spec: ServiceSpec, *, is_known: bool, count: int, bucket: TokenBucket, now: float
) -> Refusal | None:
    """Decide whether a request may start an instance that does not run.

    Args:
        spec: Its service.
        is_known: It was spawned or declared before.
        count: Instances of the service that are known.
        bucket: Of the service.
        now: Monotonic seconds.
    """
    match spec.wake:
        case Wake.NEVER:
            return Refusal(f'the service has wake = "{spec.wake.value}"')
        case Wake.KNOWN if not is_known:
            return Refusal(f'no such instance, and the service has wake = "{spec.wake.value}"')
        case Wake.KNOWN | Wake.ANY:
            pass
        case _:
            assert_never(spec.wake)
    if is_known:
        return None
    if count >= spec.max_instances:
        return Refusal(f"max_instances = {spec.max_instances} is reached")
    if wait := bucket.take(now):
        return Refusal("too many new instances at once", wait)
    return None
