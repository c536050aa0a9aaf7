"""Requests that wait, without the requests."""

from engine.core.routing import Admission
from engine.door.fleet import Choice
from engine.door.parking import ASK_SECONDS, DOOR_LIMIT, QUEUE_LIMIT, Parking


class Waiting:
    """Stands for a request that waits, and parks again where it is told to."""

    def __init__(self, name="", again=None):
        self.name = name
        self.again = again
        self.log = []
        self.parked_key = ""
        self.waits_for = ""

    def go_on(self):
        self.log.append("go on")
        if self.again is not None:
            self.again(self)

    def answer(self, status, *, retry_after):
        self.log.append((status, retry_after))


def choice(key, wakes=""):
    admission = Admission.WAKE if wakes else Admission.WAIT
    return Choice(admission=admission, key=key, wakes=wakes)


def test_many_wait_and_one_wake_is_said():
    woken = []
    parking = Parking(woken.append)
    for _ in range(5):
        assert parking.park(Waiting(), choice("api:a", "api:a"), 1.0)
    assert parking.park(Waiting(), choice("api", "api:a"), 1.0)
    assert woken == ["api:a"]
    assert len(parking) == 6


def test_release_is_in_order_and_those_who_park_again_keep_it():
    parking = Parking(lambda _: None)
    order = []

    def again(waiting):
        order.append(waiting.name)
        parking.park(waiting, choice("api:a"), 2.0)

    for name in "abc":
        parking.park(Waiting(name, again), choice("api:a"), 1.0)
    parking.release()
    parking.release()
    assert order == list("abcabc")
    assert len(parking) == 3


def test_those_of_one_instance_go_on_in_order_and_no_others():
    woken = []
    parking = Parking(woken.append)
    order = []
    others = Waiting()
    parking.park(others, choice("api:b", "api:b"), 1.0)
    for name in "abc":
        one = Waiting(name, lambda waiting: order.append(waiting.name))
        parking.park(one, choice("api:a" if name != "b" else "api", "api:a"), 1.0)
    parking.release_of(("api:a", "api"))
    assert order == ["a", "c", "b"]
    assert (len(parking), others.log) == (1, [])
    parking.park(Waiting(), choice("api:a", "api:a"), 2.0)
    assert woken == ["api:b", "api:a", "api:a"], "it is asked for anew"


def test_a_wake_is_not_said_again_because_a_table_came():
    woken = []
    parking = Parking(woken.append)

    def again(waiting):
        parking.park(waiting, choice("api:a", "api:a"), 1.5)

    parking.park(Waiting(again=again), choice("api:a", "api:a"), 1.0)
    parking.release()
    assert woken == ["api:a"]
    parking.ask_again(1.0 + ASK_SECONDS / 2)
    assert woken == ["api:a"]
    parking.ask_again(1.0 + ASK_SECONDS)
    assert woken == ["api:a"] * 2
    parking.ask_again(1.0 + ASK_SECONDS, is_forced=True)
    assert woken == ["api:a"] * 3


def test_nobody_waits_nothing_is_asked():
    woken = []
    parking = Parking(woken.append)
    waiting = Waiting()
    parking.park(waiting, choice("api:a", "api:a"), 1.0)
    parking.leave(waiting)
    parking.leave(waiting)
    parking.ask_again(100.0)
    assert (woken, len(parking)) == (["api:a"], 0)
    parking.park(Waiting(), choice("api:a", "api:a"), 101.0)
    assert woken == ["api:a"] * 2


def test_a_failure_answers_all_who_wait_for_it_and_nobody_else():
    parking = Parking(lambda _: None)
    direct, weighted, other = Waiting(), Waiting(), Waiting()
    starting = Waiting()
    parking.park(direct, choice("api:a", "api:a"), 1.0)
    parking.park(starting, choice("api:a"), 1.0)
    parking.park(weighted, choice("api", "api:a"), 1.0)
    parking.park(other, choice("api:b", "api:b"), 1.0)
    parking.fail("api:a", 4.0)
    assert direct.log == weighted.log == starting.log == [(503, 4.0)]
    assert other.log == []
    assert len(parking) == 1
    parking.fail("api:b", 0.0)
    assert other.log == [(503, 1.0)]


def test_queues_are_bounded():
    parking = Parking(lambda _: None)
    waiting = [Waiting() for _ in range(QUEUE_LIMIT + 1)]
    assert [parking.park(one, choice("api:a"), 1.0) for one in waiting].count(False) == 1
    parking.leave(waiting[0])
    assert parking.park(waiting[-1], choice("api:a"), 1.0)


def test_doors_are_bounded():
    parking = Parking(lambda _: None)
    names = [f"api:{number}" for number in range(DOOR_LIMIT + 1)]
    assert [parking.park(Waiting(), choice(name), 1.0) for name in names].count(False) == 1
    assert len(parking) == DOOR_LIMIT


def test_a_full_queue_is_told_once_a_minute():
    told = []
    parking = Parking(lambda _: None, lambda key, count: told.append((key, count)))
    for _ in range(QUEUE_LIMIT):
        assert parking.park(Waiting(), choice("api:a"), 1.0)
    assert told == []
    for second in range(3):
        assert not parking.park(Waiting(), choice("api:a"), 1.0 + second)
    assert told == [("api:a", QUEUE_LIMIT)]
    assert parking.park(Waiting(), choice("api:b"), 3.0)
    assert not parking.park(Waiting(), choice("api:a"), 62.0)
    assert told == [("api:a", QUEUE_LIMIT)] * 2
