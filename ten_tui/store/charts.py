"""Which graphs there are, and what each shows: values, scale, limit, and the figure of its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ten_tui import format as fmt
from ten_tui.store.graph import nice_top
from ten_tui.store.past import Bins, bin_samples, combine, join, window_to
from ten_tui.store.timeline import bin_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.core.wire import Sample
    from ten_tui.store.graph import Rendering
    from ten_tui.store.past import Past, Window
    from ten_tui.store.timeline import Timeline

T = TypeVar("T")

LEAST_ROWS, MOST_ROWS = 2, 8
_HEAD_ROWS = 1
_FOOT_ROWS = 2
_FEW, _ROOMY = 3, 4


@dataclass(frozen=True)
class Chart:
    """One graph.

    Attributes:
        metrics: What is kept of it; where there are several, `how` makes one of them.
        least: The least value at the upper edge.
        note: What stands behind its figure, as text.
    """

    title: str
    unit: str
    metrics: tuple[str, ...]
    value: Callable[[Sample], float]
    write: Callable[[float], str]
    least: float
    binary: bool = False
    limit: Callable[[Sample], float] = lambda _: 0.0
    note: Callable[[Sample], str] = lambda _: ""
    how: Callable[[Iterable[float]], float] = sum


def _throttled(sample: Sample) -> str:
    return f"throttled {fmt.percent(sample.throttled)}" if sample.throttled >= 0.005 else ""


def _errors(sample: Sample) -> str:
    return f"{fmt.rate(sample.errors)} err/s" if sample.errors >= 0.05 else ""


def _around_p95(sample: Sample) -> str:
    if not sample.p99_ms:
        return ""
    return f"p50 {fmt.millis(sample.p50_ms)}  p99 {fmt.millis(sample.p99_ms)}"


def _swap(sample: Sample) -> str:
    return f"swap {fmt.size(sample.swap_bytes)}" if sample.swap_bytes else ""


CHARTS = (
    Chart(
        "cpu",
        "cores",
        ("cpu",),
        lambda sample: sample.cpu_cores,
        fmt.cores,
        0.1,
        limit=lambda sample: sample.cpu_quota_cores,
        note=_throttled,
    ),
    Chart(
        "memory",
        "",
        ("memory",),
        lambda sample: sample.memory_bytes,
        fmt.size,
        float(1 << 24),
        binary=True,
        limit=lambda sample: sample.memory_limit_bytes,
        note=_swap,
    ),
    Chart(
        "requests",
        "/s",
        ("requests",),
        lambda sample: sample.requests,
        fmt.rate,
        1.0,
        note=_errors,
    ),
    Chart(
        "latency p95",
        "",
        ("p95",),
        lambda sample: sample.p95_ms,
        fmt.millis,
        10.0,
        note=_around_p95,
    ),
    Chart("log lines", "/s", ("log_lines",), lambda sample: sample.log_lines, fmt.rate, 1.0),
    Chart(
        "disk",
        "/s",
        ("io_read", "io_write"),
        lambda sample: sample.io_read_bytes + sample.io_write_bytes,
        fmt.size,
        float(1 << 10),
        binary=True,
    ),
    Chart(
        "pressure",
        "%",
        ("psi_cpu", "psi_memory", "psi_io"),
        lambda sample: max(sample.psi_cpu, sample.psi_memory, sample.psi_io),
        lambda value: f"{value:.0f}" if value >= 0.5 else fmt.NOTHING,
        10.0,
        how=max,
    ),
)

THROTTLED = "throttled"
_THROTTLED_LEAST = 0.01


@dataclass(frozen=True)
class Layout:
    """How many graphs there is room for, and how many rows each is high."""

    charts: tuple[Chart, ...] = ()
    rows: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is to be asked for them."""
        names = [name for chart in self.charts for name in chart.metrics]
        return (*names, THROTTLED) if names else ()


def layout(height: int) -> Layout:
    """Fit graphs into rows: all that fit well, else a few."""
    room = height - _FOOT_ROWS
    number = min(len(CHARTS), room // (_HEAD_ROWS + LEAST_ROWS))
    if number < 1:
        return Layout()
    wanted = max(1, min(number, max(_FEW, room // _ROOMY)))
    return Layout(CHARTS[:wanted], min(MOST_ROWS, room // wanted - _HEAD_ROWS))


def window_of(timeline: Timeline, rendering: Rendering, now: float, columns: int) -> Window:
    """Give the stretch of time that graphs of so many cells show."""
    bins = columns * rendering.columns
    return window_to(timeline.edge(now), bin_seconds(timeline.span, bins), bins)


def values(chart: Chart, past: Past, history: Sequence[Sample], window: Window) -> Bins:
    """Give a graph's columns: from what is kept, and from the stream where it has them whole."""
    kept = combine([past.bins(metric, window) for metric in chart.metrics], chart.how)
    if not history:
        return kept
    return join(kept, bin_samples(history, chart.value, window), history[0].time, window)


def throttled(past: Past, history: Sequence[Sample], window: Window) -> frozenset[int]:
    """Give the columns in which the CPU was throttled."""
    found = past.bins(THROTTLED, window)
    if history:
        live = bin_samples(history, lambda sample: sample.throttled, window)
        found = join(found, live, history[0].time, window)
    return frozenset(
        place
        for place, each in enumerate(found)
        if each is not None and each.high >= _THROTTLED_LEAST
    )


def top_of(chart: Chart, found: Bins, limit: float) -> float:
    """Choose a graph's upper edge: its limit, or else a round number above all that is shown."""
    if limit:
        return limit
    highs = [each.high for each in found if each is not None]
    return nice_top(highs, least=chart.least, binary=chart.binary)
