"""Limits of a door as they are configured: heads, times, and clients that do not read."""

import contextlib
import socket
import time

import pytest

from engine.core.doorwire import DoorLimits, RouteService
from tests.e2e.door_apps import upstream
from tests.e2e.door_rig import DoorRig, instance, read_all, read_until, status_of

LIMITS = DoorLimits(
    head_seconds=0.4, idle_seconds=0.4, head_bytes=2048, head_fields=5, slow_seconds=1.0
)
HOST = b"Host: a.api.localhost\r\n"
GET = b"GET /%b HTTP/1.1\r\n" + HOST
SMALL_BUFFER = 16 * 1024
MUCH = 32 * 1024 * 1024
ENOUGH = 1.0 + 2.5
"""Seconds after which one that takes nothing is gone, on a busy machine."""


@pytest.fixture
def rig(tmp_path):
    # What the kernel keeps of an answer is not for the door to count: let it keep little.
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    rig = DoorRig(tmp_path, listener=listener)
    try:
        yield rig
    finally:
        rig.close()


def route(rig, app):
    rig.table(settings={"limits": LIMITS}, api=RouteService(instances={"a": instance(app.port)}))


def connect_small(rig):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", rig.port))
    return sock


def answer_by_path(up, sock):
    """Give as many bytes as the path says, or events with silence between them."""
    while request := up.request(sock):
        word = request.split(b" ")[1][1:].decode()
        try:
            if word == "events":
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                time.sleep(2.5)
                sock.sendall(b"data: late\n\n")
                return
            size = int(word or 2)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        except ConnectionError:
            up.received.append(b"cut " + word.encode())
            return


def test_heads_and_times_are_as_configured(rig):
    with upstream(answer_by_path) as app:
        route(rig, app)
        fits = GET % b"" + b"A: b\r\n" * 3 + b"Connection: close\r\n\r\n"
        assert status_of(rig.ask(fits)) == 200
        assert status_of(rig.ask(GET % b"" + b"A: b\r\n" * 5 + b"\r\n")) == 431
        assert status_of(rig.ask(GET % b"" + b"A: %b\r\n\r\n" % (b"b" * 2048))) == 431
        assert status_of(rig.ask(GET % (b"c" * 2048))) == 414
        with rig.connect() as late, rig.connect() as silent, rig.connect() as idle:
            start = time.monotonic()
            late.sendall(GET % b"")
            idle.sendall(GET % b"" + b"\r\n")
            assert read_until(idle, b"xx").startswith(b"HTTP/1.1 200")
            assert status_of(read_all(late)) == 408
            assert read_all(silent) == b""
            assert read_all(idle) == b""
            assert 0.35 < time.monotonic() - start < 0.4 + 2.0


def test_who_does_not_read_is_cut_off_and_who_reads_slowly_is_not(rig):
    with upstream(answer_by_path) as app, contextlib.ExitStack() as stack:
        route(rig, app)
        deaf, done, slow, events = (stack.enter_context(connect_small(rig)) for _ in range(4))
        # More than the door holds for a client; and less, so that the instance is done with it.
        deaf.sendall(GET % str(MUCH).encode() + b"\r\n")
        done.sendall(GET % b"200000" + b"Connection: close\r\n\r\n")
        slow.sendall(GET % b"1000000" + b"Connection: close\r\n\r\n")
        events.sendall(GET % b"events" + b"\r\n")
        start = time.monotonic()
        got = 0
        while data := slow.recv(4096):
            got += len(data)
            time.sleep(0.012)
        assert got > 1_000_000
        assert time.monotonic() - start > 2 * LIMITS.slow_seconds
        assert b"late" in read_until(events, b"late")  # nothing waited for it: silence is fine
        time.sleep(max(0.0, start + ENOUGH - time.monotonic()))
        cut = [each for each in app.received if each.startswith(b"cut")]
        assert cut == [b"cut %d" % MUCH]  # the instance is free again
        assert len(read_all(deaf)) < MUCH
        assert len(read_all(done)) < 200_000
