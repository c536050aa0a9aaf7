"""Heads as the door writes them."""

import pytest

from engine.core.http1_events import RequestHead, ResponseHead
from engine.core.http1_head import Framing
from engine.door.heads import request_head, response_head, switch_head


def request(**changes):
    values = {
        "method": b"GET",
        "target": b"/x",
        "is_http10": False,
        "host": b"a.b",
        "fields": b"Host: a.b\r\n",
    }
    return RequestHead(**(values | changes))


def response(**changes):
    values = {
        "status": 200,
        "line": b"HTTP/1.1 200 OK\r\n",
        "fields": b"A: b\r\n",
        "framing": Framing.NONE,
    }
    return ResponseHead(**(values | changes))


def written(head, peer=b""):
    text = request_head(head, b"X-Forwarded-For: 1\r\n", peer=peer, domain="dom")
    assert text.endswith(b"\r\n\r\n")
    return text[:-4].split(b"\r\n")


def test_a_request():
    assert written(request()) == [b"GET /x HTTP/1.1", b"Host: a.b", b"X-Forwarded-For: 1"]


def test_a_request_with_what_only_the_sender_may_say():
    assert b"Transfer-Encoding: chunked" in written(request(is_chunked=True))
    upgrade = written(request(upgrade=b"websocket"))
    assert upgrade[2:4] == [b"Connection: Upgrade", b"Upgrade: websocket"]
    assert b"X-Ten-Peer: 1.2.3.4" in written(request(), peer=b"1.2.3.4")
    assert b"Host: dom" in written(request(host=None, fields=b""))


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, []),
        ({"is_kept": False}, [b"Connection: close"]),
        ({"is_http10": True}, [b"Connection: keep-alive"]),
        ({"is_chunked": True}, [b"Transfer-Encoding: chunked"]),
        (
            {"is_chunked": True, "is_kept": False},
            [b"Transfer-Encoding: chunked", b"Connection: close"],
        ),
    ],
)
def test_a_response(options, lines):
    options = {"is_chunked": False, "is_kept": True, "is_http10": False} | options
    text = response_head(response(), **options)
    assert text[:-4].split(b"\r\n") == [b"HTTP/1.1 200 OK", b"A: b", *lines]


@pytest.mark.parametrize(("is_kept", "tokens"), [(True, b"upgrade"), (False, b"upgrade, close")])
def test_a_426(is_kept, tokens):
    head = response(status=426, upgrade=b"tls")
    text = response_head(head, is_chunked=False, is_kept=is_kept, is_http10=False)
    assert b"\r\nConnection: %b\r\nUpgrade: tls\r\n\r\n" % tokens in text


def test_a_101():
    assert switch_head(response(line=b"HTTP/1.1 101 Go\r\n", upgrade=b"x")) == (
        b"HTTP/1.1 101 Go\r\nA: b\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    )
