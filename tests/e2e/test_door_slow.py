"""Those who are slow on purpose are let go in time, and slow nobody else down."""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from engine.core.doorwire import RouteRules, RouteService
from tests.e2e.door_apps import counting, response, say, upstream
from tests.e2e.door_rig import body_of, door, instance, read_all, status_of
from tests.require import require_program

HOST = b"Host: a.api.localhost\r\n"


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


def end_of(sock, start):
    """Read to the end; give the answer and how long it took."""
    sock.settimeout(45)
    return read_all(sock), time.monotonic() - start


@contextlib.contextmanager
def slow_attack(folder, *arguments):
    """Run slowhttptest beside what is in the block; it must see all it opened closed."""
    command = [require_program("slowhttptest"), "-c500", "-r250", "-l60", "-x10", "-p5", "-v1"]
    with (folder / "slowhttptest").open("w+b") as out:
        process = subprocess.Popen([*command, *arguments], stdout=out, stderr=out, cwd=folder)
        try:
            yield
            process.wait(20)
            out.seek(0)
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", out.read().decode(errors="replace"))
        finally:
            process.kill()
            process.wait()
    assert "No open connections left" in text, text[-2000:]
    assert re.findall(r"service available: +(\w+)", text)[-1] == "YES", text[-2000:]


def test_five_hundred_that_send_slowly_are_closed_in_time(rig, tmp_path):
    """Heads that never end, and beside them those that we write; nobody else is slowed down."""
    with upstream(say(b"quick")) as app, slow_attack(tmp_path, "-H", "-i4", "-u", rig.url()):
        rig.service(a=instance(app.port))
        start = time.monotonic()
        witness = threading.Thread(target=heads_that_never_end, args=(rig,))
        witness.start()
        times = []
        while witness.is_alive():
            asked = time.monotonic()
            assert body_of(rig.get()) == b"quick"
            times.append(time.monotonic() - asked)
            time.sleep(0.1)
        witness.join()
        assert sorted(times)[len(times) // 2] < 0.05
        assert max(times) < 1
    assert time.monotonic() - start < 45


def test_five_hundred_slow_bodies_are_closed_in_time(rig, tmp_path):
    def patient(up, sock):
        while head := up.request(sock):
            while head.startswith(b"POST") and sock.recv(65536):
                pass
            sock.sendall(response(b"quick"))

    with upstream(patient) as app:
        services = {"api": RouteService(request_timeout=2, instances={"a": instance(app.port)})}
        rig.table(routing=RouteRules(default="api:a"), **services)
        start = time.monotonic()
        with slow_attack(tmp_path, "-B", "-i1", "-s8192", "-u", rig.url()):
            pass
        assert time.monotonic() - start < 20


def heads_that_never_end(rig):
    with rig.connect() as silent, rig.connect() as half, rig.connect() as second:
        second.sendall(b"GET / HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\nGET / HT")
        start = time.monotonic()
        half.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(14):
            time.sleep(2)
            half.sendall(b"X-%d: a\r\n" % number)
        answer, seconds = end_of(half, start)
        assert status_of(answer) == 408
        assert 29 < seconds < 33
        answer, _ = end_of(silent, start)
        assert answer == b""
        answer, seconds = end_of(second, start)
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"408" in answer
        assert seconds < 35


def test_a_body_that_trickles_is_408_and_one_that_flows_is_not_late(rig):
    with upstream(counting) as app:
        service = RouteService(request_timeout=1, instances={"a": instance(app.port)})
        rig.table(api=service)
        with rig.connect() as slow, rig.connect() as steady:
            size = 40 * 4096
            steady.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n")
            steady.sendall(b"Content-Length: %d\r\n\r\n" % size)
            slow.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n")
            start = time.monotonic()
            for number in range(40):
                steady.sendall(bytes(4096))
                if number < 10:
                    slow.sendall(b"x")
                time.sleep(0.05)
            assert time.monotonic() - start > 2
            assert len(body_of(end_of(steady, start)[0])) == size
            assert status_of(end_of(slow, start)[0]) == 408


def test_three_hundred_slow_ones_slow_nobody_down(rig):
    with upstream(say(b"quick")) as app:
        rig.service(a=instance(app.port))
        slow = [rig.connect() for _ in range(300)]
        try:
            for sock in slow:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a")
            start = time.monotonic()
            for _ in range(50):
                assert body_of(rig.get()) == b"quick"
            assert (time.monotonic() - start) / 50 < 0.1
        finally:
            for sock in slow:
                sock.close()
