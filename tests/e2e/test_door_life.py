"""The door's process: rights, end, the API behind it, big bodies, programs of others.

Of engine.door.worker, engine.door.privileges and engine.door.door.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from engine.core.doorwire import RouteState
from tests.e2e.door_apps import response, say, upstream
from tests.e2e.door_rig import body_of, door, instance, read_all, read_until, status_of
from tests.require import require_program, require_root

HOST = b"Host: a.api.localhost\r\n"
UID = 61183


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


def status_fields(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_it_has_no_rights(tmp_path):
    require_root()
    with door(tmp_path, uid=UID) as rig, upstream(say(b"x")) as app:
        rig.service(a=instance(app.port))
        fields = status_fields(rig.process.pid)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[name], 16) == 0, name
        assert fields["NoNewPrivs"] == "1"
        assert set(fields["Uid"].split()) == {str(UID)}
        assert set(fields["Gid"].split()) == {str(UID)}
        assert fields["Groups"].strip() == ""
        assert fields["Name"] == "ten-door"
        limits = Path(f"/proc/{rig.process.pid}/limits").read_text()
        soft, hard = limits.partition("Max open files")[2].split()[:2]
        assert soft == hard
        assert body_of(rig.get()) == b"x"


def test_it_ends_with_its_parent(tmp_path):
    code = (
        "import subprocess, sys, socket, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); a, b = socket.socketpair(socket.AF_UNIX,"
        " socket.SOCK_SEQPACKET)\n"
        "p = subprocess.Popen([sys.executable, '-P', '-m', 'engine.door', '--listen-fd',"
        " str(s.fileno()), '--control-fd', str(b.fileno())],"
        " pass_fds=[s.fileno(), b.fileno()])\n"
        "a.recv(1000); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    worker.wait(5)


def test_it_rests_when_nothing_happens(rig):
    rig.service(a=instance(state=RouteState.STOPPED))
    time.sleep(0.5)
    before = psutil.Process(rig.process.pid).num_ctx_switches().voluntary
    time.sleep(2)
    assert psutil.Process(rig.process.pid).num_ctx_switches().voluntary - before <= 2


# --- its end ---


def test_what_is_under_way_ends_well(rig):
    go_on = threading.Event()

    def talk(up, sock):
        while up.request(sock):
            go_on.wait(10)
            sock.sendall(response(b"done"))

    with upstream(talk) as app, rig.connect() as idle, rig.connect() as busy:
        rig.service(a=instance(app.port))
        idle.sendall(b"GET / HTTP/1.1\r\nHost: nosuch.localhost\r\n\r\n")
        read_until(idle, b"Not found")
        busy.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(0.2)
        rig.process.send_signal(signal.SIGTERM)
        assert read_all(idle) == b""
        time.sleep(0.2)
        assert rig.process.poll() is None
        go_on.set()
        answer = read_all(busy)
        assert b"Connection: close" in answer
        assert body_of(answer) == b"done"
        assert rig.process.wait(5) == 0
        # The listening socket is the keeper's: clients wait there for the next door.
        waiting = socket.create_connection(("127.0.0.1", rig.port), timeout=5)
        waiting.close()
    rig.wait(lambda: rig.stats["api:a"].requests == 1)


def test_what_never_ends_is_cut(rig):
    def talk(up, sock):
        up.request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
        sock.recv(1)

    with upstream(talk) as app, rig.connect() as sock:
        rig.service(a=instance(app.port))
        sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        read_until(sock, b"hello")
        start = time.monotonic()
        rig.process.send_signal(signal.SIGTERM)
        assert rig.process.wait(15) == 0
        assert 9 < time.monotonic() - start < 13


def test_signals_of_the_terminal_are_the_keepers(rig):
    rig.wait(lambda: bool(rig.hellos))
    rig.process.send_signal(signal.SIGINT)
    rig.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert status_of(rig.get("nosuch.localhost")) == 404


def test_it_ends_when_nobody_holds_the_link(rig):
    rig.wait(lambda: bool(rig.hellos))
    rig.theirs.close()
    rig.link.shutdown(socket.SHUT_RDWR)
    assert rig.process.wait(5) == 0


# --- the engine's API ---


@contextlib.contextmanager
def api_socket(folder, talk):
    """Serve on `api.sock` as the engine does, by one thread for each connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "api.sock"))
    listener.listen(16)
    seen = []

    def serve(sock):
        with sock, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data and (more := sock.recv(65536)):
                data += more
            seen.append(data)
            talk(sock)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield seen
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_the_bare_domain_is_the_api(rig, tmp_path):
    with api_socket(tmp_path, lambda sock: sock.sendall(response(b"api"))) as seen:
        for host in ("localhost", "LOCALHOST:80", "127.0.0.1", "example.com"):
            assert body_of(rig.get(host, "/api/instances")) == b"api"
        assert body_of(rig.ask(b"GET /health HTTP/1.0\r\n\r\n")) == b"api"
        assert body_of(rig.get("localhost", extra="X-Ten-Peer: root\r\n")) == b"api"
    for head in seen:
        assert head.count(b"X-Ten-Peer") == 1
        assert b"X-Ten-Peer: 127.0.0.1\r\n" in head
        assert head.count(b"\r\nHost:") == 1


def test_streams_of_the_api_flow_at_once(rig, tmp_path):
    go_on = threading.Event()

    def talk(sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        go_on.wait(10)
        sock.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    with api_socket(tmp_path, talk), rig.connect() as sock:
        sock.sendall(b"GET /api/logs/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(sock, b"one")
        go_on.set()
        read_until(sock, b"two")


def test_the_api_is_waited_for(rig, tmp_path):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(rig.get("localhost")))
    thread.start()
    time.sleep(0.5)
    with api_socket(tmp_path, lambda sock: sock.sendall(response(b"back"))):
        thread.join(10)
    assert body_of(answers[0]) == b"back"


def test_without_an_api_it_is_503(rig):
    assert status_of(rig.get("localhost")) == 503


# --- big bodies ---


def test_a_hundred_megabytes_each_way_in_constant_memory(rig):
    size = 100 << 20

    def talk(up, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        if head.startswith(b"POST"):
            left = size - len(body_of(head))
            buffer = bytearray(1 << 20)
            while left:
                left -= sock.recv_into(buffer)
            sock.sendall(response(b"all"))
        else:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            piece = bytes(1 << 20)
            for _ in range(100):
                sock.sendall(piece)
        sock.recv(1)

    process = psutil.Process(rig.process.pid)
    with upstream(talk) as app:
        rig.service(a=instance(app.port))
        rig.get("nosuch.localhost")
        before = process.memory_info().rss
        peak = 0
        with rig.connect() as sock:
            sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(100):
                sock.sendall(bytes(1 << 20))
                peak = max(peak, process.memory_info().rss)
            assert status_of(read_until(sock, b"all")) == 200
        with rig.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            head = read_until(sock, b"\r\n\r\n")
            got = len(body_of(head))
            buffer = bytearray(1 << 20)
            while got < size:
                got += sock.recv_into(buffer)
                peak = max(peak, process.memory_info().rss)
    assert got == size
    assert peak - before < 16 << 20


# --- programs of others ---


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@contextlib.contextmanager
def program(*command, cwd, port):
    process = subprocess.Popen(
        [*map(str, command)], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


APP = """
async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for start in range(0, len(body), 1000):
        await send({"type": "http.response.body", "body": body[start:start+1000],
                    "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""

NODE = """
require("http").createServer((req, res) => {
  res.setHeader("X-Was", req.headers["x-forwarded-host"]);
  req.pipe(res);
}).listen(+process.argv[2], "127.0.0.1");
"""


def curl(rig, *arguments, data=None):
    command = [require_program("curl"), "-sS", "--max-time", "20", "-H", "Host: a.api.localhost"]
    done = subprocess.run(
        [*command, *arguments, rig.url()], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def echoes(rig):
    """Send a body by length and in chunks, large and small, and get it back."""
    for size in (0, 1, 5000, 3 << 20):
        body = os.urandom(size)
        assert curl(rig, "--data-binary", "@-", data=body) == body
        assert curl(rig, "-T", "-", "-X", "POST", data=body) == body


def test_curl_and_uvicorn(rig, tmp_path):
    port = free_port()
    (tmp_path / "echo_app.py").write_text(APP)
    command = [sys.executable, "-m", "uvicorn", "echo_app:app", "--port", port]
    with program(*command, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        echoes(rig)


def test_curl_and_node(rig, tmp_path):
    node = require_program("node", "nodejs")
    port = free_port()
    (tmp_path / "echo.js").write_text(NODE)
    with program(node, "echo.js", port, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        echoes(rig)
        head = curl(rig, "-i", "-X", "POST").partition(b"\r\n\r\n")[0]
        assert b"x-was: a.api.localhost" in head.lower()


def test_curl_and_http_server_of_python(rig, tmp_path):
    port = free_port()
    data = os.urandom(1 << 20)
    (tmp_path / "index.html").write_bytes(data)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port]
    with program(*command, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        assert curl(rig) == data
        assert curl(rig, "--http1.0") == data
        assert b"Content-Length: 1048576" in curl(rig, "-I")


def test_wrk_sees_no_failed_request(rig):
    wrk = require_program("wrk")

    def talk(up, sock):
        while data := sock.recv(65536):
            sock.sendall(response(b"x" * 60) * data.count(b"\r\n\r\n"))

    with upstream(talk) as app:
        rig.service(a=instance(app.port))
        done = subprocess.run(
            [wrk, "-t1", "-c32", "-d2", "-H", "Host: a.api.localhost", rig.url()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Requests/sec" in done.stdout
        assert "Non-2xx" not in done.stdout
        assert "Socket errors" not in done.stdout
        counted = int(done.stdout.partition(" requests in")[0].split()[-1])
        rig.wait(lambda: rig.stats["api:a"].requests >= counted)
        rig.wait(lambda: rig.stats["api:a"].inflight == 0)
        assert rig.stats["api:a"].errors == 0
