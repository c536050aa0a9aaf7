"""Proxies in front of a real door: believed where they are trusted, else not.

Of engine.door.source.
"""

import os
import socket

import pytest

from engine.core.doorwire import RouteService
from tests.e2e.door_apps import echo, upstream
from tests.e2e.door_rig import body_of, door, instance, read_all, read_until, status_of
from tests.unit.core.test_proxy_protocol import addresses, header

LINES = "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
LINES += "X-Forwarded-Host: shop.example.com\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a.api.localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig, upstream(echo) as made:

        def trust(*networks, **settings):
            settings["trusted_proxies"] = networks
            services = {"api": RouteService(instances={"a": instance(made.port)})}
            rig.table(settings=settings, **services)

        rig.trust = trust
        rig.made = made
        yield rig


def test_a_trusted_proxy_says_who_asks(rig):
    rig.trust("127.0.0.0/8")
    lines = body_of(rig.get(extra=LINES)).decode().split("\r\n")
    assert [line for line in lines if "orwarded" in line] == [
        "X-Forwarded-For: 1.2.3.4, 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example.com",
        "Forwarded: for=1.2.3.4;host=shop.example.com;proto=https, for=127.0.0.1",
    ]


def test_the_caddy_in_front_is_known_by_its_user_and_nobody_else_is(rig):
    """Another program of the host has 127.0.0.1, too."""
    rig.trust(front_uid=os.geteuid())
    assert b"X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n" in body_of(rig.get(extra=LINES))
    rig.trust(front_uid=os.geteuid() + 1)
    body = body_of(rig.get(extra=LINES))
    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" in body
    assert b"1.2.3.4" not in body


def test_another_is_not_believed(rig):
    rig.trust("10.0.0.0/8")
    body = body_of(rig.get(extra=LINES))
    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" in body
    assert b"1.2.3.4" not in body


def test_what_one_request_says_is_not_said_for_the_next(rig):
    """On one connection, as a proxy keeps it open for many clients; also over a new table."""
    rig.trust("127.0.0.1/32")
    with rig.connect() as sock:
        for who in ("1.1.1.1", "2.2.2.2", "", "3.3.3.3"):
            extra = f"X-Forwarded-For: {who}\r\n" if who else ""
            sock.sendall(f"GET / HTTP/1.1\r\nHost: a.api.localhost\r\n{extra}\r\n".encode())
            got = read_until(sock, b"\r\nForwarded: for=")
            expected = f"X-Forwarded-For: {who}, 127.0.0.1" if who else "X-Forwarded-For: 127.0.0.1"
            assert expected.encode() in got
            read_rest(sock, got)
        rig.trust()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.api.localhost\r\nX-Forwarded-For: 4.4.4.4\r\n\r\n")
        assert b"4.4.4.4" not in read_until(sock, b"Forwarded: for=127")


def read_rest(sock, got):
    head, _, body = got.partition(b"\r\n\r\n")
    left = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(sock.recv(left))


def test_the_proxy_protocol(rig):
    rig.trust("127.0.0.1/32", proxy_protocol=True)
    start = header(block=addresses("1.2.3.4"))
    assert b"X-Forwarded-For: 1.2.3.4\r\n" in rig.ask(start + REQUEST)
    with rig.connect() as sock:
        for byte in start + REQUEST:
            sock.sendall(bytes([byte]))
        assert b"X-Forwarded-For: 1.2.3.4\r\n" in read_all(sock)
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in rig.ask(header(0x20, 0) + REQUEST)
    # Whom it names is believed no further than anybody.
    said = REQUEST.replace(b"Connection", b"X-Forwarded-For: 6.6.6.6\r\nConnection")
    assert b"6.6.6.6" not in rig.ask(start + said)


@pytest.mark.parametrize(
    "data", [REQUEST, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + REQUEST, header(family=0x31)]
)
def test_a_proxy_that_does_not_speak_it_is_cut_off(rig, data):
    rig.trust("127.0.0.1/32", proxy_protocol=True)
    assert rig.ask(data) == b""
    assert rig.made.received == []


def test_from_anybody_else_it_is_no_request(rig):
    rig.trust("10.0.0.0/8", proxy_protocol=True)
    assert status_of(rig.ask(header(block=addresses("1.2.3.4")) + REQUEST)) == 400
    assert status_of(rig.ask(REQUEST)) == 200


def test_the_api_is_told_who_asks(rig, tmp_path):
    """Its answers without a token are for loopback, and a proxy on it is not who asks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "api.sock"))
        listener.listen()
        found = (((), b"127.0.0.1"), (("127.0.0.1/32",), b"1.2.3.4"))
        for turn, (networks, who) in enumerate(found):
            rig.trust(*networks)
            with rig.connect() as sock:
                sock.sendall(
                    b"GET /metrics?%d HTTP/1.1\r\nHost: localhost\r\n"
                    b"X-Forwarded-For: 1.2.3.4\r\n\r\n" % turn
                )
                head = b""
                while b"/metrics?%d " % turn not in head:  # one left unanswered is tried again
                    peer, _ = listener.accept()
                    with peer:
                        head = read_until(peer, b"\r\n\r\n")
                assert b"X-Ten-Peer: %b\r\n" % who in head
