"""How many instances a load needs, second by second."""

from collections.abc import Iterable

from engine.core.scale import Load, Memory, Scale, Target

SCALE = Scale(
    least=1, most=8, target=Target.INFLIGHT, amount=10, up_after_seconds=5, down_after_seconds=20
)


def play(scale: Scale, amounts: Iterable[float], count: int = 1, memory: Memory | None = None):
    """Give the counts of each second; what is decided is done at once."""
    memory, counts = memory or Memory(), []
    for second, amount in enumerate(amounts):
        load = Load(float(second), amount, is_idle=amount == 0)
        count = memory.decide(scale, load, count).count
        counts.append(count)
    return counts


def test_nothing_is_decided_before_a_window_was_seen():
    assert play(SCALE, [100] * 5) == [1] * 5
    assert play(SCALE, [100] * 6)[-1] == 8


def test_it_goes_up_by_what_is_needed_and_stays():
    assert set(play(SCALE, [35] * 200)[6:]) == {4}


def test_a_burst_shorter_than_the_window_adds_nothing():
    assert set(play(SCALE, [5] * 30 + [100] + [5] * 30)) == {1}


def test_it_goes_down_when_fewer_have_done_for_the_whole_window():
    counts = play(SCALE, [35] * 10 + [5] * 40)
    assert counts[9] == 4
    assert counts[10 + 15] == 4
    assert counts[-1] == 1


def test_a_peak_within_the_window_keeps_them():
    wave = ([35] * 10 + [5] * 15) * 8
    assert set(play(SCALE, wave)[10:]) == {4}


def test_between_adding_and_removing_is_a_band():
    assert play(SCALE, [20] * 100, count=3)[-1] == 3, "two would do, but to the brim"
    assert play(SCALE, [18] * 100, count=3)[-1] == 2


def test_bounds_hold_at_once():
    least = Scale(least=3, most=4, target=Target.RPS, amount=1)
    assert play(least, [0]) == [3]
    assert play(least, [0], count=9) == [4]


def test_none_runs_only_where_none_may_and_nothing_is_asked_for():
    zero = Scale(least=0, most=4, target=Target.INFLIGHT, amount=10, down_after_seconds=20)
    assert play(zero, [0] * 40)[-1] == 0
    assert play(zero, [0.001] * 40)[-1] == 1
    assert play(SCALE, [0] * 40)[-1] == 1
    assert play(zero, [0] * 40, count=0)[-1] == 0, "what sleeps is woken by a request, not by this"


def test_other_bounds_begin_anew():
    memory = Memory()
    assert play(SCALE, [100] * 10, memory=memory)[-1] == 8
    other = Scale(most=20, target=Target.INFLIGHT, amount=1, up_after_seconds=5)
    assert memory.decide(other, Load(10.0, 100), 8).count == 8
