"""HTTP through a real door worker, spoken byte by byte.

Of engine.door.client, engine.door.exchange (by engine.door.stage) and engine.door.upstream.
"""

import contextlib
import socket
import threading
import time

import pytest

from engine.door.stage import RETRIES
from tests.e2e.door_apps import counting, echo, once, response, say, upstream
from tests.e2e.door_rig import (
    body_of,
    door,
    instance,
    read_all,
    read_until,
    status_of,
)

HOST = b"Host: a.api.localhost\r\n"


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


@pytest.fixture
def app(rig):
    """Serve the door's only instance by what `app.use` is given."""

    class App:
        def __init__(self):
            self.stack = contextlib.ExitStack()

        def use(self, talk):
            made = self.stack.enter_context(upstream(talk))
            rig.service(a=instance(made.port))
            return made

    app = App()
    with app.stack:
        yield app


def test_a_request_and_its_answer(rig, app):
    app.use(echo)
    answer = rig.get(path="/x?y=%20", extra="X-Own: 1\r\nCookie: a=b\r\n")
    assert status_of(answer) == 200
    assert body_of(answer).decode().split("\r\n") == [
        "GET /x?y=%20 HTTP/1.1",
        "Host: a.api.localhost",
        "X-Own: 1",
        "Cookie: a=b",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: a.api.localhost",
        "Forwarded: for=127.0.0.1;host=a.api.localhost;proto=http",
        "",
        "",
    ]


def test_a_client_cannot_say_who_it_is(rig, app):
    app.use(echo)
    extra = "X-Forwarded-For: 1.2.3.4\r\nx_forwarded_for: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n"
    extra += "X-Ten-Peer: root\r\nX-Forwarded-Proto: https\r\n"
    body = body_of(rig.get(extra=extra)).decode()
    assert "1.2.3.4" not in body
    assert "root" not in body
    assert "https" not in body


def test_one_upstream_connection_for_a_hundred_requests(rig, app):
    made = app.use(say(b"hello"))
    with rig.connect() as sock:
        for _ in range(100):
            sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            read_until(sock, b"hello")
    for _ in range(100):
        assert body_of(rig.get()) == b"hello"
    assert made.connections == 1


def test_pipelined_requests_are_answered_in_order(rig, app):
    app.use(echo)
    count = 50
    data = b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (i, HOST) for i in range(count))
    data += b"GET /nowhere HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\n" * 3
    answer = rig.ask(data + b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    places = [answer.index(b"GET /%d HTTP" % i) for i in range(count)]
    assert places == sorted(places)
    assert answer.count(b"404 Not Found") == 3
    assert answer.index(b"GET /last") > answer.index(b"404 Not Found")


def test_thousands_of_pipelined_requests_answered_by_the_door_itself(rig):
    one = b"GET / HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\n"
    with rig.connect() as sock:
        sender = threading.Thread(target=sock.sendall, args=(one * 5000,))
        sender.start()
        got = b""
        while got.count(b"Not found") < 5000:
            got += sock.recv(1 << 16)
        sender.join()
    assert got.count(b"404 Not Found") == 5000


# --- what is refused ---


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        b"5;\n\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length : 40\r\n\r\n"
        b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"A: b\n\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
    ids=["two lengths", "chunk extension", "space before colon", "bare LF"],
)
def test_nothing_is_smuggled(rig, app, data):
    made = app.use(say(b"hello"))
    assert status_of(rig.ask(data)) == 400
    assert not any(b"smuggled" in head for head in made.received)


def test_the_body_of_a_request_is_never_the_next_request(rig, app):
    """An app that answers without reading the body must not find it as a request later."""
    made = app.use(say(b"early"))
    inner = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (len(inner) + 5)
    with rig.connect() as sock:
        sock.sendall(head)
        answer = read_until(sock, b"early")
        assert b"Connection: close" in answer
        sock.sendall(inner)
        assert read_all(sock) == b""
    assert body_of(rig.get()) == b"early"
    assert not any(head.startswith(b"GET /smuggled") for head in made.received)


def test_a_body_left_unread_is_not_the_next_request(rig, app):
    """The whole body is there before the app answers, and the app reads only the head.

    Such an app takes the body for a request whatever is before it; nobody gets that answer.
    """

    def careless(_, sock):
        got = b""
        while True:
            while b"\r\n\r\n" not in got:
                data = sock.recv(1)  # what it does not read stays in the kernel
                if not data:
                    return
                got += data
            words = got.split(b" ")
            got = b""
            sock.sendall(response(words[1] if len(words) > 1 else b"?"))

    app.use(careless)
    inner = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    for head, body in (
        (b"Content-Length: %d\r\n" % len(inner), inner),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ):
        for method in (b"GET", b"POST"):
            with rig.connect() as sock:
                sock.sendall(method + b" /first HTTP/1.1\r\n" + HOST + head + b"\r\n" + body)
                read_until(sock, b"/first")
                sock.sendall(b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n")
                assert b"200 OK" in (answer := read_until(sock, b"/second"))
                assert b"/smuggled" not in answer


# --- bodies ---


def drain(sock, size):
    left = size
    while left and (data := sock.recv(min(left, 1 << 16))):
        left -= len(data)


def test_a_body_by_length(rig, app):
    app.use(counting)
    body = bytes(range(256)) * 4000
    request = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
    answer = rig.ask(request + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert body_of(answer) == body


def test_a_body_in_chunks_arrives_framed_anew(rig, app):
    made = app.use(counting)
    request = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
    request += b"Transfer-Encoding: chunked\r\n\r\n"
    with rig.connect() as sock:
        for part in (request, b"3;x=y\r\none\r\n", b"0003\r\ntwo\r\n", b"0\r\n\r\n"):
            sock.sendall(part)
            time.sleep(0.02)
        answer = read_all(sock)
    assert body_of(answer) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert made.received[0].count(b"Transfer-Encoding: chunked") == 1


def test_answers_in_chunks_with_trailers(rig, app):
    parts = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\none\r\n"]
    parts += [b"3;ext\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n"]
    app.use(once(*parts))
    answer = rig.get()
    assert answer.endswith(b"\r\n0\r\nX-Sum: 6\r\n\r\n")
    assert b"ext" not in answer
    assert b"one" in answer
    assert b"two" in answer


def test_an_answer_until_the_end_comes_in_chunks(rig, app):
    app.use(once(b"HTTP/1.0 200 OK\r\n\r\n", b"hello"))
    with rig.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = read_until(sock, b"0\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in answer
        assert b"5\r\nhello\r\n" in answer
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status_of(read_until(sock, b"0\r\n\r\n")) == 200


def test_clients_of_http10(rig, app):
    app.use(say(b"hello"))
    old = b"GET / HTTP/1.0\r\n" + HOST
    answer = rig.ask(old + b"\r\n")
    assert answer.endswith(b"hello")
    assert b"Connection: close" in answer
    with rig.connect() as sock:
        for _ in range(2):
            sock.sendall(old + b"Connection: keep-alive\r\n\r\n")
            assert b"Connection: keep-alive" in read_until(sock, b"hello")


def test_clients_of_http10_get_no_chunks_and_no_interim_answers(rig, app):
    data = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    data += b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
    app.use(once(data))
    answer = rig.ask(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body_of(answer) == b"hello"
    assert b"chunked" not in answer


def test_an_answer_to_http10_that_is_cut_is_reset(rig, app):
    app.use(once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))
    with rig.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
        with pytest.raises(ConnectionResetError):
            drain(sock, 1 << 20)


def test_head_and_answers_without_a_body(rig, app):
    def talk(up, sock):
        while request := up.request(sock):
            if request.startswith(b"HEAD"):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif b"/204" in request:
                sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            else:
                sock.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")

    made = app.use(talk)
    with rig.connect() as sock:
        for line, mark in (("HEAD /", b"1000"), ("GET /204", b"204"), ("GET /304", b": 9")) * 2:
            sock.sendall(f"{line} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
            answer = read_until(sock, b"\r\n\r\n")
            assert mark in answer
            assert answer.endswith(b"\r\n\r\n")
    assert made.connections == 1


def test_head_of_what_the_door_answers_itself(rig):
    with rig.connect() as sock:
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n").endswith(b"Content-Length: 9\r\n\r\n")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\n")
        assert read_until(sock, b"Not found").startswith(b"HTTP/1.1 404")


def test_continue(rig, app):
    def talk(up, sock):
        while up.request(sock):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            drain(sock, 5)
            sock.sendall(response(b"thanks"))

    app.use(talk)
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with rig.connect() as sock:
        for _ in range(2):
            sock.sendall(head)
            assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"hello")
            assert read_until(sock, b"thanks").startswith(b"HTTP/1.1 200")


def test_events_flow_at_once(rig, app):
    go_on = threading.Event()

    def talk(up, sock):
        up.request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        go_on.wait(10)
        sock.sendall(b"data: 2\n\n")

    app.use(talk)
    with rig.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        read_until(sock, b"data: 1\n\n")
        go_on.set()
        assert b"data: 2\n\n" in read_until(sock, b"0\r\n\r\n")


# --- bad upstreams ---


def test_an_answer_nobody_asked_for_is_for_nobody(rig, app):
    def talk(up, sock):
        while up.request(sock):
            sock.sendall(response(b"mine") + response(b"injected"))

    app.use(talk)
    for _ in range(5):
        with rig.connect() as sock:
            for _ in range(3):
                sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
                assert body_of(read_until(sock, b"mine")) == b"mine"


def test_an_upstream_that_says_nothing_is_502(rig, app):
    made = app.use(once())
    answer = rig.ask(
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
        b"GET / HTTP/1.1\r\nHost: nosuch.localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway")
    assert b"Bad gateway" in answer
    assert b"404 Not Found" in answer
    assert len(made.received) == 1
    rig.wait(lambda: "api:a" in rig.stats)
    assert (rig.stats["api:a"].requests, rig.stats["api:a"].errors) == (1, 1)


def test_an_idle_connection_that_was_closed_is_replaced(rig, app):
    def talk(up, sock):
        up.request(sock)
        sock.sendall(response(b"hello"))
        time.sleep(0.05)

    app.use(talk)
    with rig.connect() as sock:
        for method in (b"GET", b"POST", b"GET", b"POST"):
            sock.sendall(method + b" / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
            assert status_of(read_until(sock, b"hello")) == 200
            time.sleep(0.1)


def test_a_stale_connection_is_tried_once_more_only_where_that_is_safe(rig, app):
    def talk(up, sock):
        up.request(sock)
        sock.sendall(response(b"hello"))
        up.request(sock)  # read, and never answered

    made = app.use(talk)
    assert body_of(rig.get()) == b"hello"
    assert body_of(rig.get()) == b"hello"
    assert len(made.received) == 3
    answer = rig.ask(
        b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
    )
    assert status_of(answer) == 502
    assert len(made.received) == 4


def test_a_request_whose_answer_has_begun_is_not_sent_again(rig, app):
    for part in (b"HTTP/1.1 2", b"HTTP/1.1 100 Continue\r\n\r\n"):
        made = app.use(once(part))
        assert b"502 Bad Gateway" in rig.get()
        assert len(made.received) == 1


def test_a_request_that_is_lost_again_and_again_is_502(rig, app):
    made = app.use(once())
    assert status_of(rig.get()) == 502
    assert len(made.received) == 1 + RETRIES


def test_an_upstream_that_takes_too_long_is_504(rig, app):
    from engine.core.doorwire import RouteService

    def talk(up, sock):
        up.request(sock)
        sock.recv(1)

    made = app.use(talk)
    rig.table(api=RouteService(request_timeout=0.5, instances={"a": instance(made.port)}))
    start = time.monotonic()
    answer = rig.get()
    assert status_of(answer) == 504
    assert body_of(answer) == b"Gateway timeout"
    assert 0.5 <= time.monotonic() - start < 1.5


def test_a_timeout_does_not_cut_what_has_begun(rig, app):
    from engine.core.doorwire import RouteService

    def talk(up, sock):
        up.request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(4):
            time.sleep(0.3)
            sock.sendall(b"tick")

    made = app.use(talk)
    rig.table(api=RouteService(request_timeout=0.5, instances={"a": instance(made.port)}))
    assert rig.get().count(b"tick") == 4


# --- who has gone ---


def test_a_client_that_goes_takes_its_upstream_along(rig, app):
    seen = threading.Event()

    def talk(up, sock):
        up.request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
        with contextlib.suppress(ConnectionError):
            sock.recv(1)
        seen.set()

    app.use(talk)
    with rig.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        read_until(sock, b"hello")
    assert seen.wait(5)
    rig.wait(lambda: rig.stats.get("api:a") is not None and rig.stats["api:a"].inflight == 0)


def test_a_client_that_only_says_no_more_gets_its_answer(rig, app):
    def talk(up, sock):
        up.request(sock)
        time.sleep(0.3)
        sock.sendall(response(b"hello"))

    app.use(talk)
    with rig.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert body_of(read_all(sock)) == b"hello"


def test_half_a_body_is_never_completed(rig, app):
    seen = []

    def talk(up, sock):
        up.request(sock)
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(65536):
                seen.append(data)
        seen.append("end")

    app.use(talk)
    with rig.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok")
        time.sleep(0.1)
    deadline = time.monotonic() + 5
    while "end" not in seen and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen[-1] == "end"
    assert not any(b"0\r\n\r\n" in part for part in seen[:-1])


# --- tunnels ---


def test_a_tunnel_after_101(rig, app):
    def talk(up, sock):
        request = up.request(sock)
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in request
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        sock.sendall(b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst")
        while data := sock.recv(65536):
            sock.sendall(data.upper())
        sock.sendall(b"bye")

    app.use(talk)
    request = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Upgrade\r\n"
    request += b"Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly"
    with rig.connect() as sock:
        sock.sendall(request)
        got = read_until(sock, b"EARLY")
        assert status_of(got) == 101
        assert b"Upgrade: websocket" in got
        assert b"first" in got
        rig.wait(lambda: rig.stats["api:a"].inflight == 1 if "api:a" in rig.stats else False)
        sock.sendall(b"get / http/1.1\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"bye"
    rig.wait(lambda: rig.stats["api:a"].inflight == 0)
    assert rig.stats["api:a"].errors == 0


def test_an_upgrade_that_is_declined_is_an_ordinary_answer(rig, app):
    app.use(say(b"no"))
    request = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
    with rig.connect() as sock:
        for _ in range(2):
            sock.sendall(request)
            assert status_of(read_until(sock, b"no")) == 200


def test_a_switch_nobody_asked_for_is_502(rig, app):
    app.use(once(b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello"))
    assert status_of(rig.get()) == 502


# --- slow ones ---


def test_a_slow_client_slows_its_upstream_down(rig, app):
    sent = []

    def talk(up, sock):
        up.request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        piece = bytes(1 << 16)
        for _ in range(1024):
            sock.sendall(piece)
            sent.append(len(piece))

    app.use(talk)
    with rig.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(0.7)
        assert sum(sent) < 24 << 20
        head = read_until(sock, b"\r\n\r\n")
        got = len(body_of(head))
        while got < 64 << 20:
            got += len(sock.recv(1 << 20))
    assert got == 64 << 20


def test_a_slow_upstream_slows_its_client_down(rig, app):
    go_on = threading.Event()
    got = []

    def talk(up, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        head = sock.recv(65536)
        go_on.wait(10)
        left = (64 << 20) - len(body_of(head))
        while left:
            left -= len(sock.recv(1 << 20))
        got.append("all")
        sock.sendall(response(b"thanks"))

    app.use(talk)
    sent = []

    def send(sock):
        for _ in range(1024):
            sock.sendall(bytes(1 << 16))
            sent.append(1 << 16)

    with rig.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (64 << 20))
        sender = threading.Thread(target=send, args=(sock,))
        sender.start()
        time.sleep(0.7)
        assert sum(sent) < 24 << 20
        go_on.set()
        assert status_of(read_until(sock, b"thanks")) == 200
        sender.join(10)
    assert got == ["all"]
