"""Any strategy under any weather: traffic always goes somewhere, and every rollout ends."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import Refused
from engine.core.rollout import (
    Member,
    Order,
    Phase,
    Rollout,
    Seen,
    order,
    split,
    tick,
    wanted,
)
from engine.core.rollout_gate import Counters
from engine.core.rollout_plan import Plan, Strategy

WEIGHTS = st.integers(1, 100)
STEPS = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda it: (*sorted(it), 100))
COUNTERS = st.builds(
    Counters,
    requests=st.integers(0, 500),
    errors=st.integers(0, 50),
    restarts=st.sampled_from([0, 0, 0, 1]),
)
SEEN = st.builds(
    Seen,
    is_up=st.sampled_from([True, True, True, False]),
    is_asleep=st.booleans(),
    is_failed=st.sampled_from([False, False, False, True]),
    is_gone=st.booleans(),
    text=st.just("unhealthy"),
    counters=COUNTERS,
)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    strategy = draw(st.sampled_from(Strategy))
    olds = [Member(f"a{n}", draw(WEIGHTS)) for n in range(draw(st.integers(1, 4)))]
    if strategy is Strategy.ROLLING:
        news = [Member(f"b{n}", each.weight) for n, each in enumerate(olds)]
    else:
        count = draw(st.sampled_from([1, len(olds)]))  # as many where a service is scaled
        news = [Member(f"b{n}", 100) for n in range(count)]
    pause, window = draw(st.sampled_from([(0.0, 0.0), (2.0, 5.0)]))
    plan = Plan(strategy=strategy, steps=draw(STEPS), pause_seconds=pause, window_seconds=window)
    return Rollout(
        service="api",
        plan=plan,
        news=tuple(news),
        olds=tuple(olds),
        startup_seconds=3.0,
        begun_at=0.0,
        since=0.0,
    )


@st.composite
def weather(draw: st.DrawFn, rollout: Rollout) -> dict[str, Seen]:
    members = [each.ident for each in (*rollout.news, *rollout.olds)]
    return {ident: draw(SEEN) for ident in members if draw(st.integers(0, 9))}


def check(rollout: Rollout) -> None:
    """Somebody has weight, nobody who is to be stopped has any, and canaries share out 100."""
    want = wanted(rollout)
    if want is None:
        return
    assert sum(want.weights.values()) > 0
    assert not set(want.run) & set(want.stop)
    assert all(want.weights[ident] == 0 for ident in want.stop)
    assert all(0 <= weight <= 100 for weight in want.weights.values())
    total = sum(each.weight for each in rollout.olds)
    if rollout.level < 0 or rollout.phase is Phase.ROLLING_BACK:
        assert want.weights == rollout.weights(-1)
    elif rollout.plan.strategy is Strategy.ROLLING:
        assert sum(want.weights.values()) == total
    elif rollout.plan.strategy is Strategy.CANARY:
        assert sum(want.weights.values()) == 100
    else:
        assert sum(want.weights.values()) == sum(each.weight for each in rollout.news)


@given(data=st.data())
def test_whatever_is_seen_and_ordered_traffic_has_somewhere_to_go(data: st.DataObject) -> None:
    rollout, now = data.draw(rollouts()), 0.0
    for _ in range(data.draw(st.integers(1, 25))):
        seen, before = data.draw(weather(rollout)), rollout
        now += data.draw(st.sampled_from([0.2, 1.0, 4.0]))
        what = data.draw(st.none() | st.sampled_from(Order))
        if what is None:
            rollout = tick(rollout, seen, now)
        else:
            try:
                rollout = order(rollout, what, seen, now, "root")
            except Refused:
                assert rollout == before
        check(rollout)
        # An engine that reads what was written decides the same.
        text = msgspec.json.encode(rollout)
        again = msgspec.json.decode(text, type=Rollout)
        assert again == rollout
        assert tick(again, seen, now + 1) == tick(rollout, seen, now + 1)
        if before.is_over and what is not Order.UNDO:  # only that takes a way back back
            assert rollout == before


@given(data=st.data())
def test_every_rollout_ends_once_its_instances_do_as_they_are_told(data: st.DataObject) -> None:
    rollout, now = data.draw(rollouts()), 0.0
    for _ in range(data.draw(st.integers(0, 10))):
        rollout = tick(rollout, data.draw(weather(rollout)), now := now + 1.0)
    can_run = data.draw(st.booleans())
    for _ in range(200):
        want = wanted(rollout)
        if want is None:
            break
        names = [each.ident for each in (*rollout.news, *rollout.olds)]
        seen = {
            name: Seen(is_up=can_run and name not in want.stop, is_gone=name in want.stop)
            for name in names
        }
        rollout = tick(rollout, seen, now := now + 1.0)
    assert rollout.is_over
    assert rollout.reason or rollout.phase is Phase.DONE


@given(
    weights=st.dictionaries(st.text("ab", min_size=1, max_size=3), WEIGHTS, min_size=1),
    total=st.integers(0, 100),
)
def test_a_share_is_given_out_whole(weights: dict[str, int], total: int) -> None:
    shares = split(weights, total)
    assert sum(shares.values()) == total
    whole = sum(weights.values())
    assert all(abs(shares[name] - total * weights[name] / whole) < 1 for name in weights)
