"""The ring of samples and its 16-bit figures."""

import math
import sys

import pytest

from engine.core.series import Series, decode, encode
from engine.core.wire import Sample

NOW = 1_790_000_000.125


def sample(second: float, **figures: float) -> Sample:
    return Sample(NOW + second, **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, 0.5, 1, 1.5, 3, 100, 255, 1023, 2047, 2048, 1 << 40])
def test_figures_that_are_exact(value: float) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize("value", [0.0001, 0.33, 17.77, 55_312_384, 3.9e9, 8.6e12])
def test_figures_that_are_close(value: float) -> None:
    assert decode(encode(value)) == pytest.approx(value, rel=0.0005)


@pytest.mark.parametrize("value", [-1, -math.inf, math.nan, 1e-9])
def test_figures_that_are_no_figures_become_zero(value: float) -> None:
    assert encode(value) == 0


@pytest.mark.parametrize("value", [math.inf, 1e300, 9e12])
def test_figures_too_large_are_held_at_the_top(value: float) -> None:
    assert decode(encode(value)) == pytest.approx(8.79e12, rel=0.001)


def test_empty() -> None:
    series = Series()
    assert len(series) == 0
    assert series.latest is None
    assert series.newest(10) == []
    assert series.since(0) == []


def test_capacity_must_hold_something() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Series(0)


def test_the_newest_comes_last_and_exactly() -> None:
    series = Series()
    newest = sample(2, cpu_cores=0.123456789, memory_bytes=123_456_789)
    for one in (sample(0, cpu_cores=1.0), sample(1, memory_bytes=4096), newest):
        series.append(one)
    assert series.newest(2) == [sample(1, memory_bytes=4096), newest]
    assert series.newest(99)[0] == sample(0, cpu_cores=1.0)
    assert series.newest(0) == []


def test_the_oldest_goes_where_the_ring_is_full() -> None:
    series = Series(3)
    for second in range(8):
        series.append(sample(second, requests=second))
    assert [(one.time - NOW, one.requests) for one in series.newest(9)] == [(5, 5), (6, 6), (7, 7)]


def test_a_figure_that_changes_once_the_ring_is_full() -> None:
    series = Series(3)
    for second in range(4):
        series.append(sample(second))
    series.append(sample(4, pids=7))
    series.append(sample(5))
    assert [one.pids for one in series.newest(3)] == [0, 7, 0]


def test_since_keeps_gaps() -> None:
    series = Series()
    for second in (0, 1, 50, 51):
        series.append(sample(second))
    assert [one.time - NOW for one in series.since(NOW + 1)] == [1, 50, 51]


def test_times_survive_the_wrap_of_their_low_bits_and_a_clock_set_back() -> None:
    wrap = (1 << 32) * 417 / 1000
    series = Series()
    for time in (wrap - 0.5, wrap + 0.5, wrap - 3600.0):
        series.append(Sample(time))
    assert [one.time for one in series.newest(3)] == [wrap - 0.5, wrap + 0.5, wrap - 3600.0]


def test_whole_figures_come_back_whole() -> None:
    series = Series()
    series.append(sample(0, memory_bytes=55_312_384, inflight=3, pids=12))
    series.append(sample(1))
    older = series.newest(2)[0]
    assert (older.inflight, older.pids) == (3, 12)
    assert isinstance(older.memory_bytes, int)


def test_an_instance_takes_a_few_kilobytes() -> None:
    idle, busy = Series(), Series()
    for second in range(2000):
        idle.append(sample(second, memory_bytes=4096))
        busy.append(Sample(NOW + second, *(float(second + field) for field in range(14))))  # type: ignore[arg-type]
    assert _room(idle) < 6_000
    assert _room(busy) < 34_000


def _room(series: Series) -> int:
    columns = [column.codes for column in series._columns if column.codes is not None]
    return sys.getsizeof(series._times) + sum(sys.getsizeof(codes) for codes in columns)
