"""What a door writes into the access log: one line a request, however it ends."""

import json
import os
import socket
import struct
import threading
import time

import pytest

from engine.core.doorwire import AccessPipe, RouteService, RouteState
from engine.kernel.syscalls.process import open_fifos
from tests.e2e.door_apps import response, upstream
from tests.e2e.door_rig import door, instance, read_all, read_until, status_of
from tests.e2e.engine_run import wait_until

LATE = RouteState.STARTING
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"


def talk(up, sock):
    """Answer, break off, go over to another protocol, or never answer: as the path says."""
    while request := up.request(sock):
        match request.split(b" ")[1]:
            case b"/half":
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                return
            case b"/none":
                read_all(sock)
                return
            case b"/switch":
                sock.sendall(SWITCH)
                sock.sendall(sock.recv(100))
                sock.shutdown(socket.SHUT_WR)
                read_all(sock)
                return
            case b"/post":
                while not request.endswith(b"12345"):
                    request += sock.recv(100)
        sock.sendall(response(b"x" * 60))


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig, upstream(talk) as app:
        (fifo,) = open_fifos([str(tmp_path / "fifo")], 1 << 20)
        rig.got = b""

        def route(state=RouteState.UP, **options):
            one = instance(app.port, state)
            service = RouteService(access_log=True, instances={"a": one}, **options)
            rig.table(settings={"trusted_proxies": ("127.0.0.0/8",)}, api=service)

        def give(name="api:a"):
            rig.wait(lambda: name in rig.accesses)
            rig.send(AccessPipe(name=name), [fifo])

        def lines(count):
            deadline = time.monotonic() + 10
            while rig.got.count(b"\n") < count:
                assert time.monotonic() < deadline, rig.got
                try:
                    rig.got += os.read(fifo, 1 << 16)
                except BlockingIOError:
                    time.sleep(0.005)
            found, rig.got = rig.got.splitlines(), b""
            return [json.loads(line) for line in found]

        rig.route, rig.give, rig.lines, rig.app = route, give, lines, app
        yield rig
        os.close(fifo)


def app_has(rig, start):
    return any(head.startswith(start) for head in rig.app.received)


def test_each_way_a_request_may_end_is_a_line(rig):
    rig.route()
    get = b"GET %b HTTP/1.1\r\nHost: a.api.localhost\r\n%b\r\n"
    post = b"Content-Length: 5\r\nX-Forwarded-For: 203.0.113.9\r\nX-Request-Id: 7\r\n"
    with rig.connect() as sock:
        sock.sendall(get % (b"/post", post) + b"12345")
        read_until(sock, b"x" * 60)
        rig.give()
        sock.sendall(get % (b"/half", b""))
        read_all(sock)
    with rig.connect() as sock:
        upgrade = b"Connection: upgrade\r\nUpgrade: x\r\n"
        sock.sendall(get % (b"/switch", upgrade))
        read_until(sock, b"\r\n\r\n")
        sock.sendall(b"tunnel")
        assert read_until(sock, b"tunnel")
        sock.shutdown(socket.SHUT_WR)
        read_all(sock)
    with rig.connect() as sock:
        sock.sendall(get % (b"/none", b""))
        wait_until(lambda: app_has(rig, b"GET /none"), "the instance is asked")
        # Reset: one that only ends its side might still read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    whole, half, switch, none = rig.lines(4)
    assert (whole["path"], whole["status"], whole["client"]) == ("/post", 200, "203.0.113.9")
    assert (whole["bytes_in"], whole["bytes_out"], whole["request_id"]) == (5, 60, "7")
    assert whole["upstream_ms"] <= whole["duration_ms"]
    assert (half["path"], half["status"], half["aborted"]) == ("/half", 200, "upstream")
    assert (half["client"], half["bytes_out"]) == ("127.0.0.1", 4)
    assert (switch["status"], switch["upgrade"]) == (101, "x")
    assert (switch["bytes_in"], switch["bytes_out"]) == (6, 6)
    assert (none["path"], none["aborted"]) == ("/none", "client")
    assert "status" not in none
    assert "aborted" not in whole.keys() | switch.keys()


def test_one_that_waits_is_written_down_once_and_strangers_are_not(rig):
    rig.route(LATE, startup_timeout=20.0)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(rig.get()))
    asking.start()
    rig.wait(lambda: rig.wakes == [] and rig.read(0.3) is None)
    rig.route()
    asking.join(10)
    assert status_of(answers[0]) == 200
    rig.give()
    (line,) = rig.lines(1)
    assert line["duration_ms"] >= 250
    assert line["upstream_ms"] < line["duration_ms"]
    assert status_of(rig.get(host="a.other.localhost")) == 404
    assert status_of(rig.get()) == 200
    assert len(rig.lines(1)) == 1
