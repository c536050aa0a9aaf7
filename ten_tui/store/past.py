"""The past of one instance: what is kept of its figures, joined to what came by the stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.core.metrics import KeptMetric, Point
    from engine.core.wire import Sample


class Bin(NamedTuple):
    """What one column of a graph stands for."""

    mean: float
    high: float


Bins = list[Bin | None]


@dataclass(frozen=True)
class Window:
    """Columns of a graph, aligned to the clock so that they stand still between two samples.

    Attributes:
        last: Number of the newest column: its time divided by `step`.
        step: Seconds a column stands for.
        bins: How many there are.
    """

    last: int
    step: int
    bins: int

    @property
    def since(self) -> int:
        """Where the first column begins, seconds since 1970."""
        return (self.last - self.bins + 1) * self.step

    @property
    def until(self) -> int:
        """Where the newest ends."""
        return (self.last + 1) * self.step

    def place(self, time: float) -> int:
        """Find the column of a time; outside of the window it is negative or too large."""
        return self.bins - 1 - (self.last - int(time // self.step))


def window_to(edge: float, step: int, bins: int) -> Window:
    """Make the window that ends with the column of a time."""
    return Window(int(edge // step), step, bins)


@dataclass
class Past:
    """What was fetched of an instance, or of "host".

    Attributes:
        since, until: The range that was asked for; nothing is known outside.
        step: Seconds of a column of the window that was asked for.
        metrics: What was asked for, found or not.
        points: By metric, oldest first.
    """

    name: str = ""
    since: float = 0.0
    until: float = 0.0
    step: int = 0
    metrics: frozenset[str] = frozenset()
    points: dict[str, list[Point]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    _window: Window | None = None
    _binned: dict[str, Bins] = field(default_factory=dict)

    def take(
        self, name: str, metrics: Sequence[str], window: Window, found: Sequence[KeptMetric]
    ) -> None:
        """Take an answer in the place of the one before."""
        self.name, self.metrics = name, frozenset(metrics)
        self.since, self.until, self.step = window.since, window.until, window.step
        self._window = None
        self.points = {each.name: each.points for each in found}
        self.steps = {each.name: each.step for each in found}

    def forget(self) -> None:
        """Know nothing: the engine is another, or was away."""
        self.name, self.metrics = "", frozenset()
        self.points, self.steps, self._window = {}, {}, None

    def has(self, name: str, metrics: Sequence[str], window: Window, fresh_seconds: float) -> bool:
        """Tell whether it answers for a window, but for the newest seconds of it."""
        return (
            self.name == name
            and self.step == window.step
            and self.metrics.issuperset(metrics)
            and self.since <= window.since + window.step
            and self.until >= window.until - max(fresh_seconds, window.step)
        )

    def bins(self, metric: str, window: Window) -> Bins:
        """Bring what is kept of a metric to the columns of a window."""
        if self._window != window:
            self._window, self._binned = window, {}
        if metric not in self._binned:
            self._binned[metric] = self._bin(metric, window)
        return self._binned[metric]

    def _bin(self, metric: str, window: Window) -> Bins:
        span = self.steps.get(metric, 1)
        groups: list[list[Point]] = [[] for _ in range(window.bins)]
        for point in self.points.get(metric, ()):
            first = window.place(point.time)
            last = window.place(point.time + span - 1)
            for place in range(max(0, first), min(last, window.bins - 1) + 1):
                groups[place].append(point)
        return [_of(group) for group in groups]


def _of(group: list[Point]) -> Bin | None:
    if not group:
        return None
    mean = sum(point.mean for point in group) / len(group)
    return Bin(mean, max(point.high for point in group))


def bin_samples(
    samples: Sequence[Sample],
    value: Callable[[Sample], float],
    window: Window,
) -> Bins:
    """Bring samples, oldest first, to the columns of a window."""
    step, shift = window.step, window.bins - 1 - window.last
    sums = [0.0] * window.bins
    highs = [0.0] * window.bins
    counts = [0] * window.bins
    for sample in reversed(samples):
        place = int(sample.time // step) + shift
        if place < 0:
            break
        if place < window.bins:
            found = value(sample)
            sums[place] += found
            highs[place] = max(highs[place], found)
            counts[place] += 1
    return [
        Bin(total / number, high) if number else None
        for total, high, number in zip(sums, highs, counts, strict=True)
    ]


def join(kept: Bins, streamed: Bins, streamed_from: float, window: Window) -> Bins:
    """Take the columns that the stream has whole from it, the others from what is kept."""
    first_whole = window.place(streamed_from + window.step - 1)
    return [
        live if live is not None and (place >= first_whole or old is None) else old
        for place, (old, live) in enumerate(zip(kept, streamed, strict=True))
    ]


def combine(parts: Sequence[Bins], how: Callable[[Iterable[float]], float]) -> Bins:
    """Make one row of columns of several metrics': their sum, or the greatest."""
    if len(parts) == 1:
        return parts[0]
    found: Bins = []
    for column in zip(*parts, strict=True):
        known = [each for each in column if each is not None]
        if not known:
            found.append(None)
            continue
        mean = how(each.mean for each in known)
        found.append(Bin(mean, max(mean, how(each.high for each in known))))
    return found
