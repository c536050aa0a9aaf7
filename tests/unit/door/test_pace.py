"""When a client is too slow: only while something waits, and only by less than its share."""

from engine.door.pace import SLOW_BYTES_A_SECOND, Pace


def test_one_that_takes_nothing_is_too_slow_once_its_time_is_over() -> None:
    pace = Pace(60.0, 100_000, 10.0)
    assert not pace.is_too_slow(100_000, 69.9)
    assert pace.is_too_slow(100_000, 70.0)


def test_a_trickle_is_nothing_and_a_share_is_time() -> None:
    share = int(60 * SLOW_BYTES_A_SECOND)
    pace = Pace(60.0, 200_000, 0.0)
    assert pace.is_too_slow(200_000 - share + 1, 60.0)
    pace = Pace(60.0, 200_000, 0.0)
    assert not pace.is_too_slow(200_000 - share, 59.0)
    assert not pace.is_too_slow(200_000 - share, 118.0)
    assert pace.is_too_slow(200_000 - share, 119.0)


def test_without_a_limit_nobody_is_too_slow() -> None:
    assert not Pace(0.0, 100_000, 0.0).is_too_slow(100_000, 1e9)
