"""What a door counts, as `engine.door.visit` and the tables have it counted."""

from engine.core import board as at
from engine.door.backend import Backend
from engine.door.figures import BATCH, Traffic, batches
from engine.door.visit import Visit


def traffic(name="api:a", told=None):
    return Traffic(name, lambda: told.append(name) if told is not None else None, None)


def test_a_request_is_counted_once():
    one = traffic()
    one.begin(10.0)
    one.answered(3.0, status=200)
    one.answered(3.0, status=404)
    one.end(11.0)
    words = one._words
    assert (words[at.REQUESTS], words[at.CLIENT_ERRORS], words[at.SERVER_ERRORS]) == (2, 1, 0)
    assert (words[at.INFLIGHT], words[at.LAST_USEC]) == (0, 11_000_000)
    assert words[at.LATENCY_USEC] == 6000
    assert words[at.HISTOGRAM + at.fine_of(3.0)] == 2
    told = one.snapshot(1000.0)
    assert (told.requests, told.inflight, told.last) == (0, 0, 1011.0)


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
        one.inflight = 10**15
    from engine.core.doorwire import MESSAGE_LIMIT_BYTES, encode

    messages = list(batches(7, every))
    assert [len(part) for _, part in messages] == [BATCH, BATCH, 1]
    assert all(len(encode(message)) < MESSAGE_LIMIT_BYTES for message, _ in messages)
    assert [one for _, part in messages for one in part] == every


def test_a_visit_counts_where_it_was():
    one, two = (Backend(name, traffic(name)) for name in ("api:a", "api:b"))
    visit = Visit()
    visit.leave(1.0)
    visit.answered(1.0, status=500)
    visit.begun_at = 1.0
    visit.enter(one, 1.0)
    visit.leave(2.0)
    visit.leave(2.0)
    assert (one.traffic.inflight, one.traffic._words[at.REQUESTS]) == (0, 0)
    visit.enter(two, 2.0)
    visit.carry_in(5)
    visit.carry_out(7)
    visit.answered(3.0, status=200)
    visit.cut()
    visit.leave(4.0)
    visit.carry_in(100)
    visit.carry_out(100)
    words = two.traffic._words
    assert (words[at.REQUESTS], words[at.CUT], words[at.LATENCY_USEC]) == (1, 1, 2_000_000)
    assert (words[at.BYTES_IN], words[at.BYTES_OUT], words[at.INFLIGHT]) == (5, 7, 0)


def test_a_visit_that_was_refused_counts_where_it_was_last():
    one = Backend("api:a", traffic())
    visit = Visit()
    visit.enter(one, 1.0)
    visit.leave(2.0)
    visit.answered(3.0, status=500)
    words = one.traffic._words
    assert (words[at.REQUESTS], words[at.SERVER_ERRORS]) == (1, 1)
