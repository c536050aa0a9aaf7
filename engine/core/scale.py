"""How many instances a load needs: a decision that follows load, and steady load leaves alone.

Each second the load gives two numbers: how many instances it needs, and how many would still do
with a tenth to spare. It is scaled up to the least of the first over `up_after` seconds, down to
the greatest of the second over `down_after`: a load has to be there all that time. So between the
load that adds an instance and the one that removes it lies a band, and whatever swings faster
than the windows changes nothing. Values only; times are of any clock that does not go back.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum

import msgspec

SPARE = 0.1
"""So much of the target stays free where instances are to be removed."""

SMOOTH_SECONDS = 5.0
"""Load is the mean of this time at most: requests come and go within a second."""

MAX_INSTANCES = 1000
"""Of any service; the doors' boards have room for some thousands in all."""


MAX_SECONDS = 3600.0
"""Of either window."""

_ROUNDING = 1e-9
"""Of an instance: the mean of equal loads may be a little more than each."""

_MOST_KEPT = int(MAX_SECONDS) + 100


class Target(StrEnum):
    """What load is measured in."""

    INFLIGHT = "target_inflight"
    CPU = "target_cpu"
    RPS = "target_rps"


UNITS = {
    Target.INFLIGHT: "in flight",
    Target.CPU: "% of a core",
    Target.RPS: "requests/s",
}


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """One `[service.NAME.scale]` table.

    Attributes:
        least, most: Bounds; least 0 lets all of them sleep.
        target: What load is measured in.
        amount: How much of it one instance is to have: requests in flight, percent of a core, or
            requests a second.
        up_after_seconds: So long the load must need more.
        down_after_seconds: So long fewer must do.
    """

    least: int = 1
    most: int
    target: Target
    amount: float
    up_after_seconds: float = 10.0
    down_after_seconds: float = 300.0

    @property
    def text(self) -> str:
        """Say it in a few words."""
        return f"{self.least} to {self.most}, {self.amount:g} {UNITS[self.target]} each"


class Load(msgspec.Struct, frozen=True):
    """The load of all instances of a service together.

    Attributes:
        at: When, in seconds.
        amount: In the target's unit.
        is_idle: Nothing is under way and nothing was asked for.
    """

    at: float
    amount: float
    is_idle: bool = False


class Decision(msgspec.Struct, frozen=True):
    """What is to be.

    Attributes:
        count: How many instances.
        amount: The load it is made for, in the target's unit.
    """

    count: int
    amount: float


class _Need(msgspec.Struct, frozen=True):
    at: float
    up: int
    down: int


class Memory:
    """The load of a service in the last minutes: what a decision is made of.

    Bounded memory: a look a second over the longer of both windows.
    """

    def __init__(self) -> None:
        """Know nothing yet: nothing is scaled before a whole window was seen."""
        self._scale: Scale | None = None
        self._forget_all()

    def _forget_all(self) -> None:
        self._loads: deque[Load] = deque()
        self._needs: deque[_Need] = deque(maxlen=_MOST_KEPT)
        self._since = math.inf

    def decide(self, scale: Scale, load: Load, count: int) -> Decision:
        """Take the load of now; say how many instances are to be.

        Args:
            scale: What is configured.
            load: Of this moment.
            count: How many there are, those on their way included.
        """
        if scale != self._scale:  # other bounds or units: the past says nothing
            self._scale = scale
            self._forget_all()
        self._since = min(self._since, load.at)
        amount = self._smooth(scale, load)
        self._needs.append(_need(scale, load, amount))
        self._forget(load.at - max(scale.up_after_seconds, scale.down_after_seconds))
        wanted = count
        if self._covers(load.at, scale.up_after_seconds):
            window = self._within(load.at - scale.up_after_seconds)
            wanted = max(wanted, min(each.up for each in window))
        if wanted == count and self._covers(load.at, scale.down_after_seconds):
            window = self._within(load.at - scale.down_after_seconds)
            wanted = min(wanted, max(each.down for each in window))
        return Decision(min(max(wanted, scale.least), scale.most), amount)

    def _smooth(self, scale: Scale, load: Load) -> float:
        self._loads.append(load)
        oldest = load.at - min(SMOOTH_SECONDS, scale.up_after_seconds)
        while len(self._loads) > 1 and self._loads[0].at <= oldest:
            self._loads.popleft()
        return sum(each.amount for each in self._loads) / len(self._loads)

    def _forget(self, oldest: float) -> None:
        while self._needs and self._needs[0].at < oldest:
            self._needs.popleft()

    def _covers(self, now: float, seconds: float) -> bool:
        return now - self._since >= seconds

    def _within(self, oldest: float) -> list[_Need]:
        return [each for each in self._needs if each.at >= oldest]


def _need(scale: Scale, load: Load, amount: float) -> _Need:
    """Say how many a load needs, and how many would do; none only where nothing is asked for."""
    least = 0 if load.is_idle else 1
    up = math.ceil(amount / scale.amount - _ROUNDING)
    down = math.ceil(amount / (scale.amount * (1 - SPARE)) - _ROUNDING)
    return _Need(load.at, max(up, least), max(down, least))
