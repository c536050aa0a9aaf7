"""What a door counts, as `engine.door.visit` and the tables have it counted."""

from engine.door.backend import Backend
from engine.door.figures import BATCH, Traffic, batches
from engine.door.visit import Visit


def traffic(name="api:a", told=None):
    return Traffic(name, lambda: told.append(name) if told is not None else None)


def test_a_request_is_counted_once_and_told_as_a_difference():
    one = traffic()
    one.begin(10.0)
    one.answered(3.0, is_error=False)
    one.end(11.0)
    first = one.snapshot(1000.0)
    assert (first.requests, first.errors, first.inflight, first.last) == (1, 0, 0, 1011.0)
    assert first.ms_sum == 3.0
    assert first.buckets[1] == 1
    one.reset()
    second = one.snapshot(1000.0)
    assert (second.requests, sum(second.buckets), second.last) == (0, 0, 1011.0)
    assert first.buckets[1] == 1


def test_what_was_never_used_has_no_last():
    assert traffic().snapshot(1000.0).last == 0.0


def test_the_last_of_one_that_drains_is_told_at_once():
    told = []
    one = traffic(told=told)
    for now in (1.0, 2.0):
        one.begin(now)
    one.is_draining = True
    one.end(3.0)
    assert told == []
    one.end(4.0)
    assert told == ["api:a"]


def test_messages_stay_below_the_limit():
    every = [traffic(f"{'a' * 63}:{n:063}") for n in range(BATCH * 2 + 1)]
    for one in every:
        one.begin(1e6)
        one.requests = one.errors = one.bytes_in = one.bytes_out = 10**15
        one.buckets = [10**9] * len(one.buckets)
    from engine.core.doorwire import MESSAGE_LIMIT_BYTES, encode

    messages = list(batches(7, every))
    assert [len(part) for _, part in messages] == [BATCH, BATCH, 1]
    assert all(len(encode(message)) < MESSAGE_LIMIT_BYTES for message, _ in messages)
    assert [one for _, part in messages for one in part] == every


def test_a_visit_counts_where_it_was():
    one, two = (Backend(name, traffic(name)) for name in ("api:a", "api:b"))
    visit = Visit()
    visit.leave(1.0)
    visit.answered(1.0, is_error=True)
    visit.begun_at = 1.0
    visit.enter(one, 1.0)
    visit.leave(2.0)
    visit.leave(2.0)
    assert (one.traffic.inflight, one.traffic.requests) == (0, 0)
    visit.enter(two, 2.0)
    visit.carry_in(5)
    visit.carry_out(7)
    visit.answered(3.0, is_error=False)
    visit.cut()
    visit.leave(4.0)
    visit.carry_in(100)
    visit.carry_out(100)
    now = two.traffic.snapshot(0.0)
    assert (now.requests, now.errors, now.ms_sum, now.inflight) == (1, 1, 2000.0, 0)
    assert (now.bytes_in, now.bytes_out) == (5, 7)


def test_a_visit_that_was_refused_counts_where_it_was_last():
    one = Backend("api:a", traffic())
    visit = Visit()
    visit.enter(one, 1.0)
    visit.leave(2.0)
    visit.answered(3.0, is_error=True)
    assert (one.traffic.requests, one.traffic.errors) == (1, 1)
