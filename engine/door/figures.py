"""What a door counts: traffic by instance, told to the engine as differences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core import latency
from engine.core.doorwire import InstanceStats, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BATCH = 300
"""Instances in one message, so that it stays below the limit."""


class Traffic:
    """Traffic of one instance since it was last told, and what is under way now.

    Attributes:
        inflight: Requests, streams and tunnels that have begun and not ended.
        is_draining: The table says so: the last one's end is to be told at once.
        is_changed: There is something to tell.
    """

    __slots__ = (
        "_on_drained",
        "buckets",
        "bytes_in",
        "bytes_out",
        "errors",
        "inflight",
        "is_changed",
        "is_draining",
        "last",
        "ms_sum",
        "name",
        "requests",
    )

    def __init__(self, name: str, on_drained: Callable[[], None]) -> None:
        """Begin with nothing."""
        self.name = name
        self.inflight = 0
        self.last = 0.0
        self.is_draining = False
        self._on_drained = on_drained
        self.reset()

    def reset(self) -> None:
        """Forget what was told; what is under way stays."""
        self.requests = 0
        self.errors = 0
        self.ms_sum = 0.0
        self.buckets = latency.empty()
        self.bytes_in = 0
        self.bytes_out = 0
        self.is_changed = False

    def begin(self, now: float) -> None:
        """Note that a request goes to the instance, at a monotonic time."""
        self.inflight += 1
        self.last = now
        self.is_changed = True

    def answered(self, ms: float, *, is_error: bool) -> None:
        """Note that the head of its answer has come, or that none will."""
        self.requests += 1
        self.errors += is_error
        self.ms_sum += ms
        self.buckets[latency.bucket_of(ms)] += 1
        self.is_changed = True

    def failed(self) -> None:
        """Note that an answer that had begun was cut."""
        self.errors += 1
        self.is_changed = True

    def end(self, now: float) -> None:
        """Note that a request has ended, well or not."""
        self.inflight -= 1
        self.last = now
        self.is_changed = True
        if self.is_draining and not self.inflight:
            self._on_drained()

    def snapshot(self, to_wall: float) -> InstanceStats:
        """Give what there is to tell; `to_wall` brings monotonic times to the wall clock's."""
        return InstanceStats(
            requests=self.requests,
            errors=self.errors,
            inflight=self.inflight,
            ms_sum=round(self.ms_sum, 3),
            buckets=self.buckets,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            last=self.last + to_wall if self.last else 0.0,
        )


def batches(version: int, traffic: Iterable[Traffic]) -> Iterator[tuple[Stats, list[Traffic]]]:
    """Give messages with figures, each with what is to be reset once it is sent."""
    to_wall = time.time_ns() / 1e9 - time.monotonic()
    every = list(traffic)
    for start in range(0, len(every), BATCH):
        part = every[start : start + BATCH]
        instances = {one.name: one.snapshot(to_wall) for one in part}
        yield Stats(version=version, instances=instances), part
