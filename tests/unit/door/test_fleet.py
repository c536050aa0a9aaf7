"""From a Host header to what a request may do, and what tables change."""

from engine.core.doorwire import (
    RouteInstance,
    RouteRules,
    RouteService,
    RouteState,
    RouteTable,
)
from engine.core.routing import Admission
from engine.door.fleet import HOSTS_LIMIT, Fleet

UP, DRAINING, STOPPED = RouteState.UP, RouteState.DRAINING, RouteState.STOPPED
FROZEN = RouteState.FROZEN


class Idle:
    """Stands for an idle connection."""

    def __init__(self, backend):
        self.address = backend.address
        self.idle_since = 0.0
        self.has_slept = False
        self.is_closed = False

    def is_fresh(self):
        return not self.is_closed

    def close(self):
        self.is_closed = True


def instance(state=UP, port=1000, weight=100):
    return RouteInstance(state=state, port=port, weight=weight)


def fleet(**instances):
    made = Fleet("localhost", lambda: None)
    put(made, **instances)
    return made


def put(made, **instances):
    service = RouteService(instances=instances, request_timeout=7, startup_timeout=3)
    made.apply(RouteTable(version=made.version + 1, services={"api": service}))


def test_before_the_first_table_there_is_the_api_only():
    made = Fleet("localhost", lambda: None)
    assert made.version == 0
    assert made.choose(b"a.api.localhost", b"/").admission is Admission.UNKNOWN
    assert made.choose(b"localhost", b"/").is_api
    assert made.choose(None, b"/").is_api


def test_a_choice_is_made_once_for_a_table():
    made = fleet(a=instance())
    first = made.choose(b"a.api.localhost", b"/")
    assert made.choose(b"A.API.localhost:80", b"/x") is first
    assert (first.key, first.request_timeout, first.startup_timeout) == ("api:a", 7, 3)
    assert first.pick(frozenset(), 0.0) is made.backends()[0]
    assert first.pick(frozenset("a"), 0.0) is None
    put(made, a=instance())
    assert made.choose(b"a.api.localhost", b"/") is not first


def test_hosts_are_remembered_within_a_bound():
    made = fleet(a=instance())
    for number in range(HOSTS_LIMIT + 10):
        made.choose(b"n%d.example.com" % number, b"/")
    assert len(made._hosts) <= HOSTS_LIMIT


def test_a_service_is_shared_out():
    made = fleet(a=instance(), b=instance(), c=instance(weight=0))
    choice = made.choose(b"api.localhost", b"/")
    names = [choice.pick(frozenset(), 0.0).name for _ in range(4)]
    assert sorted(names) == ["api:a", "api:a", "api:b", "api:b"]
    assert choice.pick(frozenset("a"), 0.0).name == "api:b"


def test_what_is_to_be_woken():
    made = fleet(a=instance(STOPPED))
    assert made.choose(b"a.api.localhost", b"/").wakes == "api:a"
    assert made.choose(b"api.localhost", b"/").wakes == "api:a"
    assert made.choose(b"new.api.localhost", b"/").wakes == "api:new"
    assert made.choose(b"new.api.localhost", b"/").key == "api:new"


def test_paths_are_asked_only_where_a_rule_needs_them():
    made = Fleet("localhost", lambda: None)
    services = {"api": RouteService(instances={"a": instance()})}
    rules = RouteRules(path={"/docs": "api"})
    made.apply(RouteTable(version=1, services=services, routing=rules))
    assert made.choose(b"localhost", b"/docs/x").key == "api"
    assert made.choose(b"localhost", b"/other").is_api
    assert made.choose(b"localhost", b"/docs").key == "api"


def test_connections_stay_while_the_address_does():
    made = fleet(a=instance())
    backend = made.choose(b"a.api.localhost", b"/").pick(frozenset(), 0.0)
    idle = Idle(backend)
    assert backend.give(idle, 1.0)
    put(made, a=instance(weight=1))
    assert not idle.is_closed
    put(made, a=instance(port=2000))
    assert idle.is_closed
    assert not backend.give(idle, 1.0)


def test_connections_go_with_the_instance():
    for change in ({"a": instance(DRAINING)}, {"a": instance(STOPPED)}, {}):
        made = fleet(a=instance())
        backend = made.choose(b"a.api.localhost", b"/").pick(frozenset(), 0.0)
        idle = Idle(backend)
        backend.give(idle, 1.0)
        put(made, **change)
        assert idle.is_closed
        assert not backend.has_idle


def test_old_connections_are_closed_in_time():
    made = fleet(a=instance())
    backend = made.backends()[0]
    old, new = Idle(backend), Idle(backend)
    backend.give(old, 1.0)
    backend.give(new, 9.0)
    backend.close_idle(5.0)
    assert (old.is_closed, new.is_closed) == (True, False)
    assert backend.take() is new
    assert backend.take() is None
    backend.forget(old)
    backend.close_idle()


def test_draining_ones_are_told_of_at_once():
    made = fleet(a=instance(), b=instance())
    assert made.told_traffic() == []
    put(made, a=instance(DRAINING), b=instance())
    assert made.has_draining
    assert [one.name for one in made.told_traffic()] == ["api:a"]


def test_frozen_ones_are_told_of_once():
    made = fleet(a=instance())
    backend = made.backends()[0]
    put(made, a=instance(FROZEN))
    assert [one.name for one in made.told_traffic()] == ["api:a"]
    backend.traffic.is_changed = False
    put(made, a=instance(FROZEN))
    assert made.told_traffic() == []


def test_what_cannot_be_sent_twice_goes_by_no_connection_that_was_frozen():
    made = fleet(a=instance())
    backend = made.backends()[0]
    idle = [Idle(backend) for _ in range(4)]
    for one in idle:
        assert backend.give(one, 1.0)
    put(made, a=instance(FROZEN))
    made.put("api:a", instance())
    assert not any(one.is_closed for one in idle)
    assert backend.take() is idle[3]
    backend.give(idle[3], 2.0)
    assert backend.take(is_sure=True) is idle[3], "it has been used since"
    assert backend.take(is_sure=True) is None
    assert [one.is_closed for one in idle] == [True, True, True, False]


def test_one_entry_comes_ahead_of_the_table():
    made = fleet(a=instance(FROZEN), b=instance(FROZEN))
    hosts = [b"a.api.localhost", b"api.localhost", b"b.api.localhost"]
    before = [made.choose(host, b"/") for host in hosts]
    assert [one.wakes for one in before] == ["api:a", "api:a", "api:b"]
    assert {one.wakes_from for one in before} == {"frozen"}
    assert made.put("api:a", instance()) == ("api:a", "api")
    after = [made.choose(host, b"/") for host in hosts]
    assert [one.admission for one in after[:2]] == [Admission.GO, Admission.GO]
    assert after[2] is before[2]
    assert made.put("api:new", instance()) == made.put("no:a", instance()) == ()
    put(made, a=instance(FROZEN), b=instance(FROZEN))
    assert [one.name for one in made.told_traffic()] == ["api:a", "api:b"]


def test_one_that_is_gone_counts_on_until_its_last_request_ends():
    made = fleet(a=instance())
    traffic = made.backends()[0].traffic
    traffic.begin(1.0)
    put(made, a=instance(DRAINING))
    assert made.told_traffic() == [traffic]
    traffic.is_changed = False
    put(made)
    assert made.told_traffic() == [traffic], "the engine waits for the word under this table"
    traffic.is_changed = False
    put(made, a=instance(port=2000))
    assert made.backends()[0].traffic is traffic
    put(made, a=instance(DRAINING))
    put(made)
    traffic.is_changed = False
    traffic.end(2.0)
    assert made.told_traffic() == [traffic]
    traffic.is_changed = False
    assert made.told_traffic() == []
    assert made._gone == []


def test_of_one_that_is_taken_out_while_it_is_up_the_engine_is_told_as_of_one_that_drains():
    told: list[str] = []
    made = Fleet("localhost", lambda: told.append("drained"))
    put(made, idle=instance(), busy=instance())
    busy = next(one.traffic for one in made.backends() if one.traffic.name == "api:busy")
    busy.begin(1.0)
    put(made)
    assert made.has_draining
    assert [(one.name, one.inflight) for one in made.told_traffic()] == [
        ("api:idle", 0),
        ("api:busy", 1),
    ]
    for one in made.told_traffic():
        one.is_changed = False
    assert made.told_traffic() == []
    busy.end(2.0)
    assert told == ["drained"]
    assert made.told_traffic() == [busy]


def test_a_new_engine_is_told_of_those_that_drain():
    made = fleet(a=instance(), b=instance(DRAINING))
    for one in made.told_traffic():
        one.is_changed = False
    made.backends()[0].traffic.begin(1.0)
    made.tell_all_anew()
    assert [one.name for one in made.told_traffic()] == ["api:b"]


# --- one that takes no connections ---


def names_of(choice, now, count=8):
    return {choice.pick(frozenset(), now).name for _ in range(count)}


def test_one_that_took_no_connection_is_passed_over_for_a_while():
    made = fleet(a=instance(port=1), b=instance(port=2))
    choice = made.choose(b"api.localhost", b"/")
    dead = choice.backends["a"]
    out = []
    for strike in range(8):
        now = 100.0 * strike
        dead.strike(now)
        assert names_of(choice, now) == {"api:b"}
        out.append(next(n / 8 for n in range(1, 100) if not dead.is_passed_over(now + n / 8)))
    assert out == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_one_request_tries_it_again_and_its_success_brings_it_back():
    made = fleet(a=instance(port=1), b=instance(port=2))
    choice = made.choose(b"api.localhost", b"/")
    dead = choice.backends["a"]
    dead.strike(0.0)
    tries = [choice.pick(frozenset(), 0.5).name for _ in range(20)]
    assert tries.count("api:a") == 1
    dead.clear()
    assert names_of(choice, 0.6) == {"api:a", "api:b"}


def test_where_all_take_none_all_are_tried():
    made = fleet(a=instance(port=1), b=instance(port=2))
    choice = made.choose(b"api.localhost", b"/")
    for backend in choice.backends.values():
        backend.strike(0.0)
    assert names_of(choice, 0.1) == {"api:a", "api:b"}


def test_elsewhere_it_begins_anew():
    made = fleet(a=instance(port=1), b=instance(port=2))
    dead = made.choose(b"api.localhost", b"/").backends["a"]
    dead.strike(0.0)
    put(made, a=instance(port=1), b=instance(port=2))
    assert dead.is_passed_over(0.1)
    put(made, a=instance(port=3), b=instance(port=2))
    assert not dead.is_passed_over(0.1)
