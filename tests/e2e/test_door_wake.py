"""Waiting, waking, routing by weight, and tables that change under requests."""

import contextlib
import socket
import threading
import time
from collections import Counter

import pytest

from engine.core.doorwire import (
    RouteRules,
    RouteService,
    RouteState,
    Stats,
    WakeFailed,
    WakeRule,
)
from tests.e2e.door_apps import echo, response, say, upstream
from tests.e2e.door_rig import body_of, door, instance, read_until, status_of

HOST = b"Host: a.api.localhost\r\n"


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


class Asking:
    """Requests under way in threads."""

    def __init__(self, rig, count=1, host="a.api.localhost", **options):
        self.answers = []
        self.threads = [
            threading.Thread(target=self._ask, args=(rig, host, options)) for _ in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _ask(self, rig, host, options):
        self.answers.append(rig.get(host, **options))

    def join(self):
        for thread in self.threads:
            thread.join(20)
        return self.answers


def test_fifty_waiting_requests_ask_once_and_are_all_answered(rig):
    rig.service(a=instance(state=RouteState.ASLEEP))
    with upstream(say(b"awake")) as app:
        asking = Asking(rig, 50)
        rig.wait(lambda: "api:a" in rig.wakes)
        time.sleep(0.3)
        rig.service(a=instance(state=RouteState.STARTING))
        rig.service(a=instance(app.port))
        answers = asking.join()
    assert [body_of(answer) for answer in answers] == [b"awake"] * 50
    assert rig.wakes == ["api:a"]


def test_requests_are_released_in_order(rig):
    rig.service(a=instance(state=RouteState.ASLEEP))
    socks = []
    with upstream(say(b"x")) as app, contextlib.ExitStack() as stack:
        for i in range(20):
            sock = stack.enter_context(rig.connect())
            sock.sendall(b"GET /%d HTTP/1.1\r\n" % i + HOST + b"\r\n")
            socks.append(sock)
            time.sleep(0.01)
        rig.service(a=instance(app.port))
        for sock in socks:
            read_until(sock, b"x")
        order = [int(head.split()[1][1:]) for head in app.received]
    # All connect at once, so neighbours may overtake each other on their way.
    assert sorted(order) == list(range(20))


def test_an_id_never_seen_is_woken_by_its_name_in_lower_case(rig):
    rig.service(b=instance(state=RouteState.STOPPED))
    with upstream(echo) as app:
        asking = Asking(rig, host="NewOne.API.localhost")
        rig.wait(lambda: rig.wakes == ["api:newone"])
        rig.service(newone=instance(app.port))
        (answer,) = asking.join()
    assert b"Host: NewOne.API.localhost" in answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("new.api.localhost", 404),
        ("a.api.localhost", 503),
        ("api.localhost", 503),
        ("nosuch.localhost", 404),
        ("a.nosuch.localhost", 404),
        ("x.a.api.localhost", 404),
        ("%2e%2e.api.localhost", 404),
        ("-a.api.localhost", 404),
    ],
)
def test_what_wakes_nothing(rig, host, status):
    service = RouteService(wake=WakeRule.NEVER, instances={"a": instance(state=RouteState.STOPPED)})
    rig.table(api=service)
    assert status_of(rig.get(host)) == status
    assert rig.read(0.1) is None
    assert rig.wakes == []


def test_a_wake_that_fails_is_503_with_retry_after(rig):
    rig.service(a=instance(state=RouteState.STOPPED))
    asking = Asking(rig, 3)
    rig.wait(lambda: "api:a" in rig.wakes)
    time.sleep(0.2)
    rig.send(WakeFailed(name="api:a", reason="exec: no such file", retry_after=2.5))
    for answer in asking.join():
        assert status_of(answer) == 503
        assert b"Retry-After: 3\r\n" in answer
        assert body_of(answer) == b"Service temporarily unavailable"
    again = Asking(rig)
    rig.wait(lambda: len(rig.wakes) == 2)
    rig.send(WakeFailed(name="api:a"))
    assert status_of(again.join()[0]) == 503


def test_waiting_ends_with_the_startup_timeout(rig):
    rig.table(
        api=RouteService(startup_timeout=0.5, instances={"a": instance(state=RouteState.STARTING)})
    )
    start = time.monotonic()
    answer = rig.get()
    assert status_of(answer) == 503
    assert b"Retry-After" in answer
    assert 0.5 <= time.monotonic() - start < 1.5


def test_a_wake_is_said_again_while_nothing_comes_of_it(rig):
    rig.service(a=instance(state=RouteState.STOPPED))
    asking = Asking(rig)
    rig.wait(lambda: len(rig.wakes) >= 2, 3)
    rig.hello(2)
    rig.wait(lambda: len(rig.wakes) >= 3, 0.5)
    rig.send(WakeFailed(name="api:a"))
    asking.join()


def test_waiting_requests_are_bounded(rig):
    rig.service(a=instance(state=RouteState.STARTING))
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(rig.connect()) for _ in range(105)]
        for sock in socks:
            sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(0.5)
        answered = 0
        for sock in socks:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                answered += sock.recv(100).startswith(b"HTTP/1.1 503")
        assert answered == 5


def test_those_who_stop_waiting_make_room(rig):
    rig.service(a=instance(state=RouteState.STARTING))
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                sock = stack.enter_context(rig.connect())
                sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            time.sleep(0.2)
        # Who ends his side may only have said all he wants to: that takes a while to tell.
        time.sleep(2.5)
    with upstream(say(b"up")) as app:
        asking = Asking(rig)
        time.sleep(0.2)
        rig.service(a=instance(app.port))
        assert status_of(asking.join()[0]) == 200


def test_the_body_waits_too(rig):
    rig.service(a=instance(state=RouteState.STOPPED))

    def talk(up, sock):
        data = sock.recv(65536)
        while len(body_of(data)) < 300000:
            data += sock.recv(65536)
        sock.sendall(response(b"%d" % sum(body_of(data))))

    body = bytes(range(250)) * 1200
    with upstream(talk) as app, rig.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body))
        sender = threading.Thread(target=sock.sendall, args=(body,))
        sender.start()
        rig.wait(lambda: rig.wakes == ["api:a"])
        time.sleep(0.2)
        rig.service(a=instance(app.port))
        assert read_until(sock, b"%d" % sum(body)).startswith(b"HTTP/1.1 200")
        sender.join()


def test_a_weighted_request_wakes_the_heaviest(rig):
    rig.service(
        a=instance(state=RouteState.STOPPED, weight=10),
        b=instance(state=RouteState.ASLEEP, weight=20),
        c=instance(state=RouteState.STOPPED, weight=0),
    )
    with upstream(say(b"b")) as app:
        asking = Asking(rig, 5, "api.localhost")
        rig.wait(lambda: bool(rig.wakes))
        time.sleep(0.2)
        rig.service(b=instance(app.port), a=instance(state=RouteState.STOPPED))
        assert [body_of(answer) for answer in asking.join()] == [b"b"] * 5
    assert rig.wakes == ["api:b"]


# --- by weight ---


def test_shares_follow_the_weights(rig):
    with upstream(say(b"a")) as a, upstream(say(b"b")) as b, upstream(say(b"c")) as c:
        rig.service(
            a=instance(a.port, weight=75),
            b=instance(b.port, weight=25),
            c=instance(c.port, weight=0),
        )
        assert Counter(body_of(rig.get("api.localhost")) for _ in range(40)) == {b"a": 30, b"b": 10}
        assert body_of(rig.get("c.api.localhost")) == b"c"


def test_a_dead_one_is_passed_over(rig):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    with upstream(say(b"alive")) as alive:
        rig.service(a=instance(dead), b=instance(alive.port))
        for _ in range(10):
            request = b"POST / HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\n"
            answer = rig.ask(request + b"Content-Length: 2\r\n\r\nok")
            assert (status_of(answer), body_of(answer)) == (200, b"alive")


def test_one_that_refuses_for_a_moment_is_waited_for(rig):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    rig.service(a=instance(port))
    asking = Asking(rig)
    time.sleep(0.5)
    with upstream(say(b"moved")) as app:
        rig.service(a=instance(app.port))
        assert body_of(asking.join()[0]) == b"moved"


def test_one_that_refuses_for_long_is_503(rig):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    rig.service(a=instance(port))
    start = time.monotonic()
    assert status_of(rig.get()) == 503
    assert 1.9 <= time.monotonic() - start < 3.5


# --- tables ---


def test_rules_of_the_routing_table(rig):
    with upstream(say(b"web")) as web, upstream(say(b"docs")) as docs:
        rig.table(
            web=RouteService(instances={"a": instance(web.port)}),
            docs=RouteService(instances={"a": instance(docs.port)}),
            routing=RouteRules(default="web", subdomain={"www": "web:a"}, path={"/docs": "docs"}),
        )
        assert body_of(rig.get("www.localhost")) == b"web"
        assert body_of(rig.get("localhost", "/")) == b"web"
        assert body_of(rig.get("anything.example", "/docs/x")) == b"docs"
        assert status_of(rig.get("localhost", "/api/instances")) == 503


def test_an_instance_that_moves_takes_its_connections_along(rig):
    with upstream(say(b"old")) as old, upstream(say(b"new")) as new:
        rig.service(a=instance(old.port))
        with rig.connect() as sock:
            for app, text in ((old, b"old"), (new, b"new"), (new, b"new")):
                rig.service(a=instance(app.port))
                sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
                read_until(sock, text)
        assert (old.connections, new.connections) == (1, 1)


def test_draining_finishes_what_it_has_and_takes_no_more(rig):
    go_on = threading.Event()

    def talk(up, sock):
        while up.request(sock):
            go_on.wait(10)
            sock.sendall(response(b"done"))

    with upstream(talk) as app:
        rig.service(a=instance(app.port))
        first = Asking(rig)
        rig.wait(lambda: "api:a" in rig.stats and rig.stats["api:a"].inflight == 1)
        rig.service(a=instance(app.port, RouteState.DRAINING))
        assert (rig.applied, rig.stats["api:a"].inflight) == (rig.version, 1)
        second = Asking(rig)
        time.sleep(0.2)
        assert len(app.received) == 1
        go_on.set()
        start = time.monotonic()
        rig.wait(lambda: rig.stats["api:a"].inflight == 0)
        assert time.monotonic() - start < 0.3
        assert body_of(first.join()[0]) == b"done"
        rig.service(a=instance(app.port))
        assert body_of(second.join()[0]) == b"done"


def test_a_table_with_a_draining_instance_is_answered_at_once(rig):
    rig.service(a=instance(state=RouteState.DRAINING))
    while rig.applied != rig.version:
        message = rig.read(0.3)
        assert message is not None
    assert rig.stats["api:a"].inflight == 0


def test_figures_cost_no_message_and_a_new_engine_is_greeted_with_them(rig):
    def talk(up, sock):
        while request := up.request(sock):
            status = "500 No" if b"/bad" in request else "200 OK"
            sock.sendall(response(b"12345", status=status))

    with upstream(talk) as app:
        rig.service(a=instance(app.port))
        for path in ("/", "/", "/bad"):
            rig.get(path=path)
        rig.wait(lambda: rig.stats["api:a"].requests == 3)
        stats = rig.stats["api:a"]
        assert (stats.errors, stats.inflight, stats.bytes_out) == (1, 0, 15)
        assert sum(stats.buckets) == 3
        assert abs(stats.last - time.time_ns() / 1e9) < 5
        told = [message for _ in range(15) if isinstance(message := rig.read(0.1), Stats)]
        assert told == []
        rig.board.close()
        rig.board = None
        rig.hello(2)
        # Nothing was acknowledged: the next engine finds all of it.
        rig.wait(lambda: rig.stats["api:a"].requests == 6)


def test_nothing_is_lost_while_no_engine_reads(rig):
    with upstream(say(b"x")) as app:
        names = {f"i{n}": instance(app.port) for n in range(60)}
        rig.service(**names)
        for _ in range(4):
            for name in names:
                rig.get(f"{name}.api.localhost")
            time.sleep(1.05)
        rig.wait(lambda: sum(one.requests for one in rig.stats.values()) == 240)
        assert {one.requests for one in rig.stats.values()} == {4}


def test_a_full_link_merges_what_it_cannot_say(rig):
    rig.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    rig.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with upstream(say(b"x")) as app:
        rig.service(a=instance(app.port), b=instance(state=RouteState.STOPPED))
        for _ in range(30):
            rig.hello()
        with rig.connect() as sock:
            for _ in range(25):
                sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
                read_until(sock, b"x")
                time.sleep(0.1)
            asking = Asking(rig, host="b.api.localhost")
            time.sleep(0.5)
            rig.wait(lambda: rig.wakes.count("api:b") > 0 and rig.stats["api:a"].requests == 25)
        rig.send(WakeFailed(name="api:b"))
        asking.join()


def test_a_message_nobody_understands_changes_nothing(rig):
    with upstream(say(b"x")) as app:
        rig.service(a=instance(app.port))
        rig.link.send(b"{}")
        rig.link.send(b"\xff")
        socket.send_fds(rig.link, [b'{"type":"table","version":9}'], [rig.listener.fileno()])
        assert body_of(rig.get()) == b"x"
