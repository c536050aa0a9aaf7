"""engine.core.rollout, step by step."""

import pytest
from msgspec import structs

from engine.core.errors import Refused
from engine.core.rollout import Member, Order, Phase, Rollout, Seen, order, tick, wanted
from engine.core.rollout_gate import Counters
from engine.core.rollout_plan import Plan, Strategy

UP = Seen(is_up=True, is_gone=False, text="healthy")
GONE = Seen()


def made(strategy: Strategy, olds: int = 1) -> Rollout:
    old = tuple(Member(f"a{number}", 50) for number in range(olds))
    news = tuple(Member(f"b{number}", 50) for number in range(olds))
    return Rollout(
        service="api",
        plan=Plan(strategy=strategy, steps=(25, 100), pause_seconds=10, window_seconds=60),
        news=news if strategy is Strategy.ROLLING else (Member("b0", 100),),
        olds=old,
        startup_seconds=15,
        begun_at=0,
        since=0,
    )


def test_a_canary_goes_by_its_steps_and_closes_when_its_window_is_over() -> None:
    rollout, seen = made(Strategy.CANARY), {"a0": UP, "b0": UP}
    told = []
    for now in range(0, 100, 5):
        rollout = tick(rollout, seen, now)
        want = wanted(rollout)
        told.append((rollout.phase.value, want.weights["b0"] if want else None))
    assert list(dict.fromkeys(told)) == [
        ("observing", 25),
        ("observing", 100),
        ("promoted", 100),
        ("closing", 100),
    ]
    assert wanted(rollout).stop == ("a0",)  # type: ignore[union-attr]
    assert tick(rollout, {"a0": GONE, "b0": UP}, 100).phase is Phase.DONE


def test_rolling_replaces_one_after_the_other_and_stops_what_was_replaced() -> None:
    rollout, seen = made(Strategy.ROLLING, 2), dict.fromkeys(("a0", "a1", "b0", "b1"), UP)
    rollout = tick(rollout, seen, 1)
    assert wanted(rollout) == wanted(structs.replace(rollout, since=0))
    assert rollout.weights(rollout.level) == {"a0": 0, "a1": 50, "b0": 50, "b1": 0}
    rollout = tick(rollout, {**seen, "b1": Seen(is_gone=False, text="starting")}, 12)
    assert (rollout.phase, rollout.level) == (Phase.STARTING, 0)
    rollout = tick(rollout, seen, 13)
    want = wanted(rollout)
    assert want is not None
    assert (want.weights["b1"], want.stop) == (50, ("a0",))


def test_back_from_rolling_waits_for_what_was_stopped() -> None:
    rollout, seen = made(Strategy.ROLLING, 2), dict.fromkeys(("a0", "a1", "b0", "b1"), UP)
    rollout = tick(tick(rollout, seen, 1), seen, 12)
    stopped = {**seen, "a0": GONE}
    rollout = order(rollout, Order.ABORT, stopped, 13, "root")
    assert rollout.phase is Phase.RETURNING
    want = wanted(rollout)
    assert want is not None
    assert (want.run, want.weights["b0"]) == (("a0", "a1"), 50)
    rollout = tick(rollout, seen, 14)
    assert rollout.phase is Phase.ROLLING_BACK
    rollout = tick(rollout, {**seen, "b0": GONE, "b1": GONE}, 15)
    assert (rollout.phase, rollout.reason) == (Phase.ABORTED, "aborted by root")


def test_back_to_nobody_is_no_way_back() -> None:
    rollout = tick(made(Strategy.BLUE_GREEN), {"a0": UP, "b0": UP}, 1)
    ill = Seen(is_gone=False, text="unhealthy: 503 from /health")
    rollout = tick(rollout, {"a0": ill, "b0": ill}, 2)
    assert rollout.phase is Phase.RETURNING
    rollout = tick(rollout, {"a0": ill, "b0": ill}, 30)
    assert rollout.phase is Phase.FAILED
    assert rollout.reason == (
        "api:b0 is unhealthy: 503 from /health; no old instance comes up, so traffic stays where"
        " it is"
    )


@pytest.mark.parametrize(
    ("seen", "now", "reason"),
    [
        (Seen(is_failed=True, text="failed: exited with 1"), 1, "does not come up: failed: exit"),
        (Seen(text="starting"), 16, "was not healthy within 15 s: starting"),
    ],
)
def test_one_that_does_not_come_up_gets_no_traffic(seen: Seen, now: float, reason: str) -> None:
    rollout = tick(made(Strategy.CANARY), {"a0": UP, "b0": seen}, now)
    assert reason in rollout.reason
    assert wanted(rollout).weights == {"a0": 50, "b0": 0}  # type: ignore[union-attr]
    assert tick(rollout, {"a0": UP}, now).phase is Phase.ROLLED_BACK


def test_a_restart_by_itself_and_errors_are_faults_in_the_window_too() -> None:
    rollout = tick(made(Strategy.BLUE_GREEN), {"a0": UP, "b0": UP}, 0)
    rollout = tick(rollout, {"a0": UP, "b0": UP}, 10)
    assert rollout.phase is Phase.PROMOTED
    again = structs.replace(UP, counters=Counters(restarts=1))
    assert "came up again 1 times" in tick(rollout, {"a0": UP, "b0": again}, 11).reason
    wrong = structs.replace(UP, counters=Counters(requests=100, errors=30))
    assert tick(rollout, {"a0": UP, "b0": wrong}, 11).reason == (
        "api:b0: 30 of its 100 requests failed (30.00%; limit 1.00%)"
    )


def test_orders_are_refused_where_they_make_no_sense() -> None:
    seen = {"a0": UP, "b0": UP}
    rollout = tick(made(Strategy.CANARY), seen, 0)
    paused = order(rollout, Order.PAUSE, seen, 1, "root")
    assert tick(paused, seen, 1000) == paused
    with pytest.raises(Refused, match="is paused"):
        order(paused, Order.PAUSE, seen, 1, "root")
    resumed = order(paused, Order.RESUME, seen, 1000, "root")
    with pytest.raises(Refused, match="not paused"):
        order(resumed, Order.RESUME, seen, 1, "root")
    promoted = tick(tick(order(resumed, Order.PROMOTE, seen, 1001, "root"), seen, 1001), seen, 1001)
    assert (promoted.phase, promoted.weights(promoted.level)["b0"]) == (Phase.PROMOTED, 100)
    with pytest.raises(Refused, match="has all the traffic"):
        order(promoted, Order.PAUSE, seen, 1, "root")
    closing = order(promoted, Order.PROMOTE, seen, 1002, "root")
    assert closing.phase is Phase.CLOSING
    with pytest.raises(Refused, match="is closing: no rollback any more"):
        order(closing, Order.ROLLBACK, seen, 1, "root")
    assert order(promoted, Order.ROLLBACK, seen, 1, "root").reason == "rolled back by root"


def test_a_way_back_taken_back_begins_the_step_anew_with_the_weights_of_before() -> None:
    rollout, seen = made(Strategy.CANARY), {"a0": UP, "b0": UP}
    observed = tick(rollout, seen, 1)
    with pytest.raises(Refused, match="was not taken back"):
        order(observed, Order.UNDO, seen, 2, "root")
    back = order(observed, Order.ABORT, seen, 2, "root")
    for left in (back, tick(back, {"a0": UP}, 3)):
        again = order(left, Order.UNDO, {"a0": UP}, 4, "root")
        assert (again.phase, again.step, again.reason) == (Phase.STARTING, 0, "")
        want = wanted(again)
        assert want is not None
        assert (want.weights, want.run) == ({"a0": 50, "b0": 0}, ("b0",))
        assert tick(again, seen, 5).phase is Phase.OBSERVING
    assert tick(back, {"a0": UP}, 3).phase is Phase.ABORTED


def test_a_way_back_that_waits_keeps_its_traffic_where_it_is_when_taken_back() -> None:
    rollout = tick(made(Strategy.ROLLING, 2), {"a0": UP, "a1": UP, "b0": UP}, 1)
    seen = {"a0": GONE, "a1": UP, "b0": UP}
    waiting = order(rollout, Order.ROLLBACK, seen, 2, "root")
    assert waiting.phase is Phase.RETURNING
    again = order(waiting, Order.UNDO, seen, 3, "root")
    assert again.weights(again.level) == rollout.weights(0)
