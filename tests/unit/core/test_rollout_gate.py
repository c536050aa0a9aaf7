"""engine.core.rollout_gate."""

from engine.core.latency import BUCKETS
from engine.core.rollout_gate import Counters, fault_of, together
from engine.core.rollout_plan import Plan

PLAN = Plan()


def served(requests: int, errors: int = 0, *, bucket: int = 1) -> Counters:
    buckets = [0] * BUCKETS
    buckets[bucket] = requests
    return Counters(requests=requests, errors=errors, buckets=tuple(buckets))


def test_too_few_requests_say_nothing() -> None:
    assert fault_of(PLAN, served(19, 19), served(1000)) == ""
    assert fault_of(PLAN, served(20, 1), served(0)) != ""


def test_errors_are_held_against_the_limit_and_the_old_version() -> None:
    assert fault_of(PLAN, served(100, 1), served(100)) == ""
    assert fault_of(PLAN, served(100, 2), served(100)) == (
        "2 of its 100 requests failed (2.00%, 0.00% of the old version's; limit 1.00%)"
    )
    # What both do is not the new version's fault.
    assert fault_of(PLAN, served(100, 20), served(100, 20)) == ""


def test_p95_is_held_against_the_old_versions_where_both_had_enough() -> None:
    slow, fast = served(100, bucket=6), served(100, bucket=1)
    assert "its p95 is 242 ms, the old version's 5 ms" in fault_of(PLAN, slow, fast)
    assert fault_of(PLAN, served(99, bucket=6), fast) == ""
    assert fault_of(PLAN, slow, served(99)) == ""
    assert fault_of(Plan(max_p95=0), slow, fast) == ""
    assert fault_of(PLAN, fast, served(100, bucket=0)) == ""  # some milliseconds
    assert fault_of(PLAN, slow, slow) == ""


def test_counters_that_went_back_with_an_engine_are_not_less_than_none() -> None:
    assert served(5).since(served(9)) == Counters(buckets=(0,) * BUCKETS)
    assert served(9, 3).since(Counters()).errors == 3
    assert together([served(1, 1), served(2)]).requests == 3
    assert Counters().error_share == 0.0
