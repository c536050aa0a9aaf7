from hypothesis import given
from hypothesis import strategies as st

from engine.core.backoff import Backoff, spread


def test_first_is_at_once_then_doubles_up_to_the_cap() -> None:
    backoff = Backoff(1.0, 60.0)
    assert [backoff.delay(n) for n in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_adds_at_most_a_tenth() -> None:
    assert Backoff(1.0, 60.0).delay(2, jitter=1.0) == 2.2
    assert Backoff(1.0, 60.0).delay(0, jitter=1.0) == 0


def test_base_of_zero_never_waits() -> None:
    assert Backoff(0.0, 60.0).delay(10, jitter=1.0) == 0


@given(st.floats(0, 2**64), st.floats(0, 2**64), st.integers(-5, 2**32), st.floats(0, 1))
def test_never_negative_never_past_the_cap_and_a_tenth(
    base: float, cap: float, attempt: int, jitter: float
) -> None:
    assert 0 <= Backoff(base, cap).delay(attempt, jitter) <= cap * 1.1 + 1e-6


@given(st.text())
def test_spread_is_a_share(text: str) -> None:
    assert 0 <= spread(text) < 1
    assert spread(text) == spread(text)


def test_spread_tells_names_apart() -> None:
    assert len({spread(f"api:t{n} 0") for n in range(100)}) == 100
