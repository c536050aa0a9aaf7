"""Conversations with the readers: bytes in, events out, however they are cut."""

import httptools
import pytest

from engine.core.chunked import encode_chunk, encode_last
from engine.core.http1 import Phase, RequestReader, ResponseReader
from engine.core.http1_events import END, End, Refused, RequestHead, ResponseHead
from engine.core.http1_head import HEAD_LIMIT_BYTES, Framing
from tests.http1_reading import merge
from tests.unit.core.http1_corpus import CUT_BODIES, HOST, OK, REQUESTS, RESPONSES, get, post


def feed(reader, data, size=0):
    events = []
    for start in range(0, len(data), size or len(data) or 1):
        events += reader.receive(data[start : start + (size or len(data))])
    return merge(events)


def sizes(data):
    """Whole, by byte, and some between; big ones not by byte."""
    return (0, 1, 2, 7, 1000) if len(data) < 3000 else (0, 333, 4096)


def read_request(data, size=0):
    return feed(RequestReader(), data, size)


def read_response(data, size=0, method=b"GET"):
    reader = ResponseReader()
    reader.expect(method)
    return merge(feed(reader, data, size) + reader.receive_end())


# --- the corpus ---


@pytest.mark.parametrize("name", REQUESTS)
def test_request_of_the_corpus(name):
    data, status = REQUESTS[name]
    for size in sizes(data):
        events = read_request(data, size)
        last = events[-1]
        if status == 200:
            assert isinstance(events[0], RequestHead), events
            assert isinstance(last, End), events
        else:
            assert isinstance(last, Refused), (size, events)
            assert last.status == status, (size, events)


@pytest.mark.parametrize("name", RESPONSES)
def test_response_of_the_corpus(name):
    data, status = RESPONSES[name]
    for size in sizes(data):
        events = read_response(data, size)
        last = events[-1]
        if status is None:
            assert isinstance(last, Refused), (size, events)
            assert last.status == 502
            assert not any(isinstance(e, ResponseHead) and e.status >= 200 for e in events)
        else:
            heads = [event for event in events if isinstance(event, ResponseHead)]
            assert heads[-1].status == status
            assert isinstance(last, End), events


@pytest.mark.parametrize("name", CUT_BODIES)
def test_body_that_never_ends_well(name):
    data = CUT_BODIES[name]
    for size in sizes(data):
        events = read_response(data, size)
        assert isinstance(events[0], ResponseHead)
        assert events[1] == b"ok"
        assert isinstance(events[-1], Refused)


@pytest.mark.parametrize("name", [name for name, (_, status) in REQUESTS.items() if status == 200])
def test_what_is_passed_on_reads_the_same_to_another_parser(name):
    """What an upstream gets must not be read otherwise by llhttp, an independent reader."""
    head, *rest = read_request(REQUESTS[name][0])
    body = b"".join(piece for piece in rest if isinstance(piece, bytes))
    method = head.method if head.method in (b"GET", b"OPTIONS") else b"POST"
    framing = b"Transfer-Encoding: chunked\r\n" if head.is_chunked else b""
    sent = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, head.target, head.fields, framing)
    sent += encode_chunk(body) + encode_last(rest[-1].trailers) if head.is_chunked else body
    seen = _LlhttpEyes()
    parser = httptools.HttpRequestParser(seen)
    parser.feed_data(sent)
    assert (parser.get_method(), seen.target) == (method, head.target)
    assert seen.body == body
    assert seen.is_complete


class _LlhttpEyes:
    def __init__(self):
        self.body = b""
        self.is_complete = False
        self.target = b""

    def on_url(self, piece):
        self.target += piece

    def on_body(self, piece):
        self.body += piece

    def on_message_complete(self):
        self.is_complete = True


# --- heads of requests ---


def head_of(data):
    head = read_request(data)[0]
    assert isinstance(head, RequestHead), head
    return head


def test_a_head_is_passed_on_as_it_came():
    lines = b"Accept: */*\r\nx-LOWER: a\r\nCookie: a=b\r\nCookie: c=d\r\n"
    head = head_of(b"GET /a?b=%20 HTTP/1.1\r\n" + HOST + lines + b"\r\n")
    assert head == RequestHead(
        method=b"GET",
        target=b"/a?b=%20",
        is_http10=False,
        host=b"a.api.localhost",
        fields=HOST + lines,
    )


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authorization: Basic x",
        b"Proxy-Authenticate: x",
        b"TE: trailers",
        b"Upgrade: websocket",
        b"X-Forwarded-For: 1.2.3.4",
        b"x-forwarded-proto: https",
        b"X-Forwarded-Anything: x",
        b"Forwarded: for=1.2.3.4",
        b"X-Ten-Peer: 127.0.0.1",
        b"X_Forwarded_For: 1.2.3.4",
        b"x_ten_peer: root",
        b"Content_Length: 5",
        b"Transfer_Encoding: chunked",
    ],
)
def test_lines_that_end_here(line):
    head = head_of(get(b"A: b", line, b"C: d"))
    assert head.fields == HOST + b"A: b\r\nC: d\r\n"
    assert not head.has_body


def test_connection_names_lines_that_end_here_too():
    head = head_of(get(b"A: b", b"X-Hop: 1", b"Connection: close, X-HOP , x-other", b"X-Other: 2"))
    assert head.fields == HOST + b"A: b\r\n"
    assert not head.is_keep_alive


def test_connection_cannot_take_away_what_makes_the_message():
    data = post(b"Connection: host, content-length", b"Content-Length: 2", body=b"ok")
    events = read_request(data)
    assert events[0].fields == HOST + b"Content-Length: 2\r\n"
    assert events[1:] == [b"ok", END]


def test_a_length_said_twice_is_said_once():
    data = post(b"Content-Length: 2", b"A: b", b"Content-Length: 02", body=b"ok")
    assert head_of(data).fields == HOST + b"A: b\r\nContent-Length: 2\r\n"


def test_an_absolute_target_becomes_a_path():
    head = head_of(get(line=b"GET http://A.api.localhost?x=1 HTTP/1.1"))
    assert (head.target, head.host) == (b"/?x=1", b"A.api.localhost")
    head = head_of(get(line=b"OPTIONS http://a.api.localhost HTTP/1.1"))
    assert head.target == b"*"


def test_an_absolute_target_names_the_host_where_nothing_else_does():
    head = head_of(b"GET http://a.b/x HTTP/1.0\r\n\r\n")
    assert (head.target, head.host, head.fields) == (b"/x", b"a.b", b"Host: a.b\r\n")


@pytest.mark.parametrize(
    ("data", "is_kept"),
    [
        (get(), True),
        (get(b"Connection: close"), False),
        (get(b"Connection: x, CLOSE"), False),
        (get(line=b"GET / HTTP/1.0"), False),
        (get(b"Connection: Keep-Alive", line=b"GET / HTTP/1.0"), True),
    ],
)
def test_whether_the_connection_stays(data, is_kept):
    assert head_of(data).is_keep_alive is is_kept


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        ((b"Connection: Upgrade", b"Upgrade: websocket"), b"websocket"),
        ((b"Connection: keep-alive, upgrade", b"Upgrade: WebSocket"), b"WebSocket"),
        ((b"Upgrade: websocket",), b""),
        ((b"Connection: Upgrade",), b""),
        ((b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"), b""),
        ((b"Connection: Upgrade", b"Upgrade: websocket, h2c"), b""),
        ((b"Connection: Upgrade", b"Upgrade: a", b"Upgrade: b"), b""),
        ((b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2"), b""),
    ],
)
def test_upgrade(lines, upgrade):
    head = head_of(get(*lines) + b"ok")
    assert head.upgrade == upgrade
    assert b"pgrade" not in head.fields
    assert b"HTTP2" not in head.fields


def test_an_upgrade_of_http10_is_none():
    lines = (b"Connection: Upgrade", b"Upgrade: websocket")
    assert head_of(get(*lines, line=b"GET / HTTP/1.0")).upgrade == b""


# --- one after another ---


def test_pipelined_requests_come_one_by_one():
    one = post(b"Content-Length: 2", body=b"ok")
    two = post(b"Transfer-Encoding: chunked", body=b"2\r\nyo\r\n0\r\n\r\n")
    data = one + two + get(line=b"GET /3 HTTP/1.1") + b"GET /4"
    for size in sizes(data):
        reader = RequestReader()
        events = feed(reader, data, size)
        assert [events[1], events[2]] == [b"ok", END]
        assert len(events) == 3
        events = merge(reader.go_on())
        assert events[1:] == [b"yo", END]
        events = reader.go_on()
        assert (events[0].target, events[1:]) == (b"/3", [END])
        assert reader.go_on() == []
        assert reader.buffered == len(b"GET /4")
        assert reader.receive(b" HTTP/1.1\r\n" + HOST + b"\r\n")[0].target == b"/4"


def test_same_fields_again_are_not_taken_for_those_of_another_version():
    reader = RequestReader()
    reader.receive(get(b"Connection: keep-alive"))
    reader.go_on()
    head, _ = reader.receive(get(b"Connection: keep-alive", line=b"GET / HTTP/1.0"))
    assert head.is_http10
    assert reader.go_on() == []
    again = reader.receive(get(b"Connection: keep-alive"))[0]
    assert not again.is_http10


def test_nothing_is_read_after_a_refusal():
    reader = RequestReader()
    assert isinstance(reader.receive(b"\x00" + get())[-1], Refused)
    assert reader.phase is Phase.BROKEN
    assert reader.receive(get()) == []
    assert reader.buffered == 0


def test_a_body_that_turns_bad_is_given_up_to_there():
    for size in (0, 1, 5):
        data = post(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\nzz\r\n")
        events = read_request(data, size)
        assert events[1:] == [b"ok", Refused(400, "bad chunk size")]


def test_a_head_that_never_ends_is_refused_at_the_limit():
    reader = RequestReader()
    line = b"GET / HTTP/1.1\r\nA: "
    assert reader.receive(line + b"a" * (HEAD_LIMIT_BYTES - len(line))) == []
    assert reader.receive(b"a") == [Refused(431, "head too large")]


def test_a_head_of_the_limit_passes_however_it_is_cut():
    start = b"GET / HTTP/1.1\r\n" + HOST + b"A: "
    data = start + b"a" * (HEAD_LIMIT_BYTES - len(start) - 4) + b"\r\n\r\n"
    for size in (0, 1000, HEAD_LIMIT_BYTES - 1):
        assert read_request(data, size)[-1] == END
        assert read_request(b"\r\n\r\n" + data, size)[-1] == END
        assert isinstance(read_request(data[:-4] + b"a\r\n\r\n", size)[-1], Refused)


def test_what_follows_an_upgrade_belongs_to_the_tunnel():
    reader = RequestReader()
    head, end = reader.receive(get(b"Connection: upgrade", b"Upgrade: websocket") + b"frame")
    assert (head.upgrade, end) == (b"websocket", END)
    assert reader.take_rest() == b"frame"
    assert reader.receive(b"more") == [b"more"]


def test_trailers_are_given_less_those_that_change_the_message():
    body = b"0\r\nA: b\r\nContent-Length: 5\r\nHost: x\r\nX-Forwarded-For: y\r\nC: d\r\n\r\n"
    for size in (0, 1, 9):
        events = read_request(post(b"Transfer-Encoding: chunked", body=body), size)
        assert events[1:] == [End(b"A: b\r\nC: d\r\n")]


# --- responses ---


def answer_to(data, method=b"GET"):
    reader = ResponseReader()
    reader.expect(method)
    return reader, merge(reader.receive(data))


def test_a_response_is_passed_on_as_it_came():
    _, events = answer_to(OK + b"Server: x\r\nContent-Length: 2\r\nSet-Cookie: a\r\n\r\nok")
    assert events == [
        ResponseHead(
            status=200,
            line=OK,
            fields=b"Server: x\r\nContent-Length: 2\r\nSet-Cookie: a\r\n",
            framing=Framing.LENGTH,
        ),
        b"ok",
        END,
    ]


def test_hop_by_hop_lines_of_a_response_end_here():
    lines = b"Connection: close, X-Hop\r\nKeep-Alive: x\r\nX-Hop: y\r\nUpgrade: h2c\r\nA: b\r\n"
    _, events = answer_to(OK + lines + b"\r\n")
    assert (events[0].fields, events[0].is_keep_alive) == (b"A: b\r\n", False)


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (OK + b"Content-Length: 5\r\n\r\n", b"HEAD"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HEAD"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"GET"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET"),
        (OK + b"Content-Length: 0\r\n\r\n", b"GET"),
    ],
)
def test_responses_without_a_body(data, method):
    _, events = answer_to(data, method)
    assert events[1:] == [END]


def test_204_and_interim_answers_lose_their_length():
    _, events = answer_to(b"HTTP/1.1 204 No\r\nA: b\r\nContent-Length: 5\r\nC: d\r\n\r\n")
    assert events[0].fields == b"A: b\r\nC: d\r\n"
    _, events = answer_to(b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\nLink: x\r\n\r\n")
    assert events[0].fields == b"Link: x\r\n"


def test_interim_answers_come_before_the_final_one():
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok"
    for size in (0, 1, 11):
        events = read_response(data, size)
        assert [event.status for event in events[:2]] == [100, 200]
        assert events[2:] == [b"ok", END]


def test_101_is_followed_by_anything():
    data = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00\r\n\r\nHTTP"
    for size in (0, 1, 13):
        reader = ResponseReader()
        reader.expect(b"GET")
        events = feed(reader, data, size)
        assert (events[0].upgrade, events[1]) == (b"websocket", b"\x00\r\n\r\nHTTP")
        assert reader.receive_end() == []


def test_a_body_may_end_with_the_connection_where_nothing_else_ends_it():
    reader, events = answer_to(OK + b"\r\nok")
    assert events[0].framing is Framing.UNTIL_CLOSE
    assert reader.receive_end() == [END]
    assert reader.receive_end() == []


def test_what_nobody_asked_for_is_kept_apart():
    reader, events = answer_to(OK + b"Content-Length: 2\r\n\r\nok" + OK)
    assert events[-1] == END
    assert reader.buffered == len(OK)
    idle = ResponseReader()
    assert idle.receive(OK) == []
    assert idle.buffered == len(OK)


def test_responses_of_http10_are_kept_apart_only_if_they_say_so():
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n"
    assert not answer_to(old + b"\r\n")[1][0].is_keep_alive
    assert answer_to(old + b"Connection: keep-alive\r\n\r\n")[1][0].is_keep_alive


def test_a_426_says_what_to_upgrade_to():
    _, events = answer_to(b"HTTP/1.1 426 U\r\nUpgrade: tls\r\nContent-Length: 0\r\n\r\n")
    assert events[0].upgrade == b"tls"


def test_one_reader_reads_answer_after_answer():
    reader = ResponseReader()
    for body in (b"one", b"two", b"three"):
        reader.expect(b"GET")
        data = OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        assert merge(reader.receive(data))[1:] == [body, END]


@pytest.mark.parametrize(
    ("asked", "got", "is_asked"),
    [
        (b"websocket", b"WebSocket", True),
        (b"a/1, websocket", b"websocket", True),
        (b"websocket", b"h2c", False),
        (b"websocket", b"", False),
        (b"", b"websocket", False),
        (b"", b"", False),
    ],
)
def test_which_switch_was_asked_for(asked, got, is_asked):
    head = head_of(get(b"Connection: upgrade", *[b"Upgrade: " + asked] if asked else []))
    assert head.asks_for(got) is is_asked


def test_an_empty_reason_keeps_its_space():
    for line in (b"HTTP/1.1 200", b"HTTP/1.1 200 "):
        head, _ = read_response(line + b"\r\nContent-Length: 0\r\n\r\n")
        assert head.line == b"HTTP/1.1 200 \r\n"
