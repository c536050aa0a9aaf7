"""Any load: bounds hold, steady load changes nothing twice, noise within the band nothing."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from engine.core.scale import SPARE, Load, Memory, Scale, Target
from tests.unit.core.test_scale import play

SCALES = st.builds(
    lambda least, more, amount, up, down: Scale(
        least=least,
        most=max(1, least + more),
        target=Target.INFLIGHT,
        amount=amount,
        up_after_seconds=up,
        down_after_seconds=down,
    ),
    st.integers(0, 5),
    st.integers(0, 20),
    st.floats(0.1, 1000),
    st.integers(0, 20),
    st.integers(0, 60),
)
AMOUNTS = st.floats(0, 20000)


@given(SCALES, st.lists(AMOUNTS, max_size=120), st.integers(0, 30))
def test_bounds_always_hold(scale: Scale, amounts: list[float], count: int) -> None:
    assert all(scale.least <= each <= scale.most for each in play(scale, amounts, count))


UNEVEN = 819.6670143949209
"""The mean of several of it is more than it."""


@example(
    Scale(
        least=0,
        most=2,
        target=Target.INFLIGHT,
        amount=UNEVEN,
        up_after_seconds=5,
        down_after_seconds=0,
    ),
    UNEVEN,
    0,
)
@given(SCALES, AMOUNTS, st.integers(0, 30))
def test_steady_load_is_settled_once(scale: Scale, amount: float, count: int) -> None:
    counts = play(scale, [amount] * 200, count)
    changes = [one for one, other in pairwise(counts) if one != other]
    assert len(changes) <= 1, "the bounds at once, then what the load needs"


@given(SCALES, st.integers(1, 5), st.lists(st.floats(0.02, 0.98), min_size=100, max_size=100))
def test_noise_within_the_band_changes_nothing(
    scale: Scale, count: int, noise: list[float]
) -> None:
    """From what fewer could not do with room to spare, to what these can do."""
    count = min(max(count, scale.least, 1), scale.most)
    low, high = scale.amount * (1 - SPARE) * (count - 1), scale.amount * count
    amounts = [low + (high - low) * each for each in noise]
    assert set(play(scale, amounts, count)) == {count}


@given(SCALES, st.floats(1, 3600))
def test_memory_is_bounded(scale: Scale, step: float) -> None:
    memory = Memory()
    for second in range(300):
        memory.decide(scale, Load(second * step, 1.0), 1)
    assert len(memory._needs) <= max(scale.up_after_seconds, scale.down_after_seconds) / step + 2
