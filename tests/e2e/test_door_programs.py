"""Programs of others on both sides of a real door: nginx, websockets, h2load, varnishtest."""

import os
import re
import subprocess

import pytest

from tests.e2e.door_apps import say, upstream
from tests.e2e.door_rig import door, instance
from tests.e2e.test_door_life import curl, free_port, program
from tests.require import require, require_program

PYTHON = "/usr/bin/python3"
"""Debian's, which has Debian's `websockets`."""


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


# --- nginx ---

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format lines '$connection $request_method $status $http_x_forwarded_for';
  access_log {folder}/access.log lines;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  gzip on;
  gzip_types text/plain;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location /moved {{ return 301 /page.css; }}
    location /gone {{ return 204; }}
  }}
}}
"""


@pytest.fixture
def nginx(rig, tmp_path):
    command = require_program("nginx", "nginx-light")
    port = free_port()
    www = tmp_path / "www"
    www.mkdir()
    (www / "page.css").write_bytes(b"body { color: red }\n" * 5000)
    (www / "index.html").write_bytes(os.urandom(1 << 20))
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, port=port))
    with program(command, "-c", config, "-p", tmp_path, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        yield tmp_path


def at(rig, path, *arguments):
    """Ask for a path, in the form that curl prints with -i."""
    return curl(rig, "-i", "--path-as-is", "--request-target", path, *arguments)


def test_curl_and_nginx(rig, nginx):
    whole = curl(rig)
    assert whole == (nginx / "www/index.html").read_bytes()
    part = at(rig, "/", "-r", "1000-1999")
    assert part.startswith(b"HTTP/1.1 206 ")
    assert part.endswith(whole[1000:2000])
    head = at(rig, "/page.css", "-I")
    assert b"Content-Length: 100000\r\n" in head
    tag = re.search(rb'ETag: ("[^"]+")', head)[1].decode()
    same = at(rig, "/page.css", "-H", f"If-None-Match: {tag}")
    assert same.startswith(b"HTTP/1.1 304 ")
    assert same.endswith(b"\r\n\r\n")
    zipped = at(rig, "/page.css", "-H", "Accept-Encoding: gzip", "--compressed")
    assert b"Transfer-Encoding: chunked" in zipped
    assert zipped.endswith((nginx / "www/page.css").read_bytes())
    assert at(rig, "/gone").startswith(b"HTTP/1.1 204 ")
    moved = at(rig, "/moved")
    assert moved.startswith(b"HTTP/1.1 301 ")
    assert b"Location: http://a.api.localhost" in moved
    assert at(rig, "/", "-X", "POST", "-d", "x=1").startswith(b"HTTP/1.1 405 ")


def test_nginx_sees_one_connection_for_a_hundred_requests(rig, nginx):
    command = [require_program("curl"), "-sS", "-H", "Host: a.api.localhost", "-o", "/dev/null"]
    subprocess.run([*command, rig.url("/page.css?[1-100]")], check=True, timeout=20)
    lines = (nginx / "access.log").read_text().splitlines()
    assert len(lines) == 100
    assert {line.split(" ", 1)[1] for line in lines} == {"GET 200 127.0.0.1"}
    assert len({line.split()[0] for line in lines}) == 1


# --- websockets ---

WS_SERVER = """
import asyncio, sys, websockets
async def echo(socket):
    await socket.send(socket.request_headers["X-Forwarded-For"])
    async for message in socket:
        if message == "bye":
            await socket.close(4001, "as you say")
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=None):
        await asyncio.Future()
asyncio.run(main())
"""

WS_CLIENT = """
import asyncio, os, sys, websockets
async def talk(number):
    uri = f"ws://a.api.localhost:{sys.argv[1]}/chat"
    async with websockets.connect(uri, host="127.0.0.1", max_size=None) as socket:
        assert await socket.recv() == "127.0.0.1"
        await asyncio.wait_for(await socket.ping(), 5)
        for message in ("hello", "x" * 125, os.urandom(70000), b"", os.urandom(1 << 20), number):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send("bye")
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as you say")
        else:
            raise AssertionError("not closed")
async def main():
    await asyncio.gather(*(talk(str(number)) for number in range(20)))
asyncio.run(main())
"""


def test_websockets(rig, tmp_path):
    probe = subprocess.run([PYTHON, "-c", "import websockets"], capture_output=True, check=False)
    why = "no websockets for /usr/bin/python3"
    require(probe.returncode == 0, why, "apt-get install python3-websockets")
    port = free_port()
    with program(PYTHON, "-c", WS_SERVER, port, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        done = subprocess.run(
            [PYTHON, "-c", WS_CLIENT, str(rig.port)], capture_output=True, timeout=25, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    rig.wait(lambda: rig.stats["api:a"].inflight == 0 and rig.stats["api:a"].requests > 0)
    assert (rig.stats["api:a"].requests, rig.stats["api:a"].errors) == (20, 0)


# --- h2load ---


def test_h2load_sees_no_failed_request(rig):
    h2load = require_program("h2load", "nghttp2-client")
    with upstream(say(b"x" * 60)) as app:
        rig.service(a=instance(app.port))
        host = [f"--connect-to=127.0.0.1:{rig.port}", f"http://a.api.localhost:{rig.port}/"]
        done = subprocess.run(
            [h2load, "--h1", "-n3000", "-c30", *host],
            capture_output=True,
            timeout=25,
            check=True,
        )
    text = done.stdout.decode()
    assert "3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout" in text, text
    assert "status codes: 3000 2xx" in text


# --- varnishtest ---

KEPT_AND_CHUNKED = """
server s1 -listen 127.0.0.1:{port} {{
  rxreq
  expect req.method == GET
  expect req.http.x-forwarded-for == "127.0.0.1"
  expect req.http.te == <undef>
  expect req.http.x-hop == <undef>
  txresp -nolen -hdr "Transfer-Encoding: chunked"
  chunkedlen 70000
  chunkedlen 0
  rxreq
  expect req.method == HEAD
  txresp -nolen -hdr "Content-Length: 1234"
  rxreq
  expect req.url == "/three"
  txresp -status 204 -nolen
  rxreq
  expect req.url == "/four"
  expect req.bodylen == 11
  txresp -status 201 -hdr "Connection: X-Secret" -hdr "X-Secret: 1" -body "made"
}} -start
client c1 -connect 127.0.0.1:{door} {{
  txreq -hdr "Host: a.api.localhost" -hdr "TE: trailers" -hdr "Connection: x-hop" -hdr "X-Hop: 1"
  rxresp
  expect resp.status == 200
  expect resp.bodylen == 70000
  expect resp.http.transfer-encoding == chunked
  txreq -method HEAD -url /two -hdr "Host: a.api.localhost"
  rxresp -no_obj
  expect resp.http.content-length == 1234
  txreq -url /three -hdr "Host: a.api.localhost"
  rxresp
  expect resp.status == 204
  txreq -method POST -url /four -nolen -hdr "Host: a.api.localhost" \\
    -hdr "Transfer-Encoding: chunked"
  chunked "hello"
  chunked " world"
  chunkedlen 0
  rxresp
  expect resp.status == 201
  expect resp.http.x-secret == <undef>
  expect resp.body == "made"
}} -run
server s1 -wait
"""

BAD_ANSWERS = """
server s1 -listen 127.0.0.1:{port} -repeat 3 {{
  rxreq
  send "HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\nok"
}} -start
client c1 -connect 127.0.0.1:{door} -repeat 3 {{
  txreq -hdr "Host: a.api.localhost"
  rxresp
  expect resp.status == 502
}} -run
client c2 -connect 127.0.0.1:{door} {{
  send "GET / HTTP/1.1\\r\\nHost : a.api.localhost\\r\\n\\r\\n"
  rxresp
  expect resp.status == 400
  expect resp.http.connection == close
  expect_close
}} -run
"""


@pytest.mark.parametrize("script", [KEPT_AND_CHUNKED, BAD_ANSWERS], ids=["kept", "bad answers"])
def test_varnishtest(rig, tmp_path, script):
    varnishtest = require_program("varnishtest", "varnish")
    port = free_port()
    rig.service(a=instance(port))
    case = tmp_path / "case.vtc"
    case.write_text('varnishtest "door"\n' + script.format(port=port, door=rig.port))
    done = subprocess.run(
        [varnishtest, "-k", "-t", "20", str(case)],
        capture_output=True,
        timeout=25,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout.decode()[-4000:]
