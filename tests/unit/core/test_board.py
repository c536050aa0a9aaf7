"""The layout that door and engine share, and what a reader makes of two readings."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.core import board as at
from engine.core import latency


def test_slots_lie_beside_each_other_and_the_areas_do_not_overlap() -> None:
    assert at.slot_at(0) == at.HEADER_WORDS
    assert at.slot_at(1) - at.slot_at(0) == at.SLOT_WORDS
    assert at.slot_at(at.SLOTS) == at.ack_at(0)
    assert at.ack_at(at.SLOTS) * at.WORD_BYTES == at.FILE_BYTES
    # The longest name of an instance, and the zero that ends it.
    assert at.NAME_BYTES >= 2 * 63 + 1 + 1


@given(st.floats(min_value=0, max_value=1e7))
def test_the_coarse_histogram_is_a_sum_of_the_fine_one(ms: float) -> None:
    fine = [0] * at.FINE
    fine[at.fine_of(ms)] = 3
    expected = latency.empty()
    expected[latency.bucket_of(ms)] = 3
    assert at.coarse(fine) == expected


def test_fine_buckets_grow_evenly_within_a_power_of_ten() -> None:
    bounds = at.FINE_BOUNDS_MS
    assert list(bounds) == sorted(set(bounds))
    assert (bounds[0], bounds[-1], at.FINE) == (0.1, 9500.0, len(bounds) + 1)
    assert max(b / a for a, b in pairwise(bounds)) <= 1.5 + 1e-9


def test_a_name_ends_at_its_zero_and_is_ascii() -> None:
    assert at.name_in(b"api:a\0\0rest") == "api:a"
    assert at.name_in("apä:a\0".encode()) == ""
    assert at.name_in(b"\0") == ""


def test_only_counters_are_differences_and_nonsense_is_nothing() -> None:
    before, now = [0] * at.SLOT_WORDS, [0] * at.SLOT_WORDS
    before[at.INFLIGHT], now[at.INFLIGHT] = 5, 2
    before[at.REQUESTS], now[at.REQUESTS] = 10, 13
    before[at.CUT], now[at.CUT] = 4, 3
    now[at.BYTES_IN] = at.MOST + 1
    grown = at.difference(now, before)
    assert len(grown) == at.NAME
    assert (grown[at.INFLIGHT], grown[at.REQUESTS]) == (2, 3)
    assert (grown[at.CUT], grown[at.BYTES_IN]) == (0, 0)
