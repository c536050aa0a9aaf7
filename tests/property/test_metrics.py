"""Kept figures are what a list of all seconds would give, to the precision of their packing."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from engine.core.metrics import (
    LEVELS,
    MAX_POINTS,
    Layout,
    aggregate,
    downsample,
    merge,
    next_slot,
    plan_range,
)
from engine.daemon.metric_file import MetricFile

START = 1_800_000_000
figures = st.floats(0, 1e9)
rows = st.lists(st.tuples(figures, figures), min_size=1, max_size=60)


def close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=2e-3, abs_tol=1e-5)


@given(rows, st.integers(1, 59))
def test_merging_parts_is_as_one(all_rows: list[tuple[float, float]], cut: int) -> None:
    head, tail = all_rows[:cut], all_rows[cut:]
    whole = aggregate(all_rows)
    parts = merge([aggregate(part) for part in (head, tail) if part])
    assert parts.seconds == whole.seconds
    assert (parts.lows, parts.highs, parts.lasts) == (whole.lows, whole.highs, whole.lasts)
    assert all(
        math.isclose(*pair, abs_tol=1e-6) for pair in zip(parts.means, whole.means, strict=False)
    )


@given(st.floats(1, 100 * 86400), st.floats(0, 1), st.integers(0, 100_000))
def test_any_range_has_few_points_and_is_within_its_ring(
    ago: float, share: float, step: int
) -> None:
    now = START + 0.5
    since = now - ago
    found = plan_range(since, since + ago * share, now, step)
    level = LEVELS[found.level]
    assert found.step % level.step_seconds == 0
    assert found.step >= step
    assert found.since % found.step == 0
    assert found.until % found.step == 0
    assert 0 < (found.until - found.since) // found.step <= MAX_POINTS + 1
    assert found.level == 2 or now - since <= level.span_seconds


@given(st.floats(0, 0.999), st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=50))
def test_jitter_neither_skips_nor_doubles_a_second(phase: float, jitter: list[float]) -> None:
    slots = []
    last = 0
    for second, off in enumerate(jitter):
        last = next_slot(last, START + second + phase + off)
        slots.append(last)
    assert slots == list(range(slots[0], slots[0] + len(slots)))


@given(st.data())
def test_damage_is_left_out_and_nothing_else(data: st.DataObject) -> None:
    layout = Layout(2)
    count = 5
    raw = bytearray(
        b"".join(layout.pack(100 + each, 1, *[(1.0 + each, 2.0)] * 4) for each in range(count))
    )
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    slots = [each.slot for each in layout.records(1, 1, bytes(raw), 100)]
    assert slots == [100 + each for each in range(count) if each != at // layout.sizes[1]]


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 1, 2, 7, 40, 700]), figures), min_size=1, max_size=80
    ),
    st.sets(st.integers(0, 79)),
)
def test_a_file_is_a_list_also_over_deaths(
    steps: list[tuple[int, float]], deaths: set[int]
) -> None:
    taken: dict[int, float] = {}
    now = START
    with TemporaryDirectory() as folder:
        path = Path(folder) / "api" / "alice.ring"
        file = MetricFile(path, ["one", "two"], now)
        for index, (step, value) in enumerate(steps):
            now += step
            file.append(now + 0.5, (value, 0.0))
            taken[now] = value
            if index in deaths:  # nothing is flushed: it is as after SIGKILL
                file.close()
                file = MetricFile(path, ["one", "two"], now)
        for index, level in enumerate(LEVELS):
            unit = level.step_seconds
            found = file.read(index, 0, now // unit - level.slots + 1, now // unit + 1)
            slots = sorted(
                {time // unit for time in taken if time // unit > now // unit - level.slots}
            )
            assert [each.slot for each in found] == slots
            wanted = plan_range(START, now + 1, now)._replace(
                since=slots[0] * unit, until=(slots[-1] + 1) * unit, step=unit
            )
            for point in downsample(found, unit, wanted):
                values = [
                    taken[time] for time in sorted(taken) if time // unit * unit == point.time
                ]
                assert close(point.low, min(values))
                assert close(point.high, max(values))
                assert close(point.mean, sum(values) / len(values))
                assert close(point.last, values[-1])
        file.close()
