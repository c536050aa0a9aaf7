"""aiohttp on both sides of a real door: streams both ways, forms, kept connections, WebSockets."""

import json
import subprocess

import pytest

from tests.e2e.door_rig import door, instance
from tests.e2e.test_door_life import free_port, program
from tests.require import require

PYTHON = "/usr/bin/python3"
"""Debian's, which has Debian's aiohttp."""

SERVER = """
import asyncio, hashlib, sys
from aiohttp import web

async def digest(request):
    found, size = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        found.update(piece)
        size += len(piece)
    names = ("Transfer-Encoding", "Content-Length", "X-Forwarded-For", "Connection")
    said = {name: request.headers.get(name) for name in names}
    return web.json_response({"sha256": found.hexdigest(), "size": size, **said})

async def form(request):
    fields = await request.post()
    return web.json_response({"a": fields["a"], "file": fields["file"].file.read().decode()})

async def stream(request):
    answer = web.StreamResponse(headers={"X-Kind": "stream"})
    await answer.prepare(request)
    for number in range(200):
        await answer.write(b"%d," % number * 300)
    await answer.write_eof()
    return answer

async def cookie(request):
    answer = web.Response(text=request.cookies.get("sid", "none"))
    answer.set_cookie("sid", "42", httponly=True)
    return answer

async def talk(request):
    socket = web.WebSocketResponse(compress=True)
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            await socket.close(code=4001, message=b"as asked")
        elif isinstance(message.data, str):
            await socket.send_str(message.data[::-1])
        else:
            await socket.send_bytes(message.data)
    return socket

app = web.Application(client_max_size=2**30)
app.router.add_post("/digest", digest)
app.router.add_post("/form", form)
app.router.add_get("/stream", stream)
app.router.add_get("/cookie", cookie)
app.router.add_get("/talk", talk)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""

CLIENT = """
import asyncio, hashlib, json, os, sys
import aiohttp

PIECES = [os.urandom(50_000) for _ in range(60)]

async def pieces():
    for piece in PIECES:
        yield piece

async def get(session, path, **options):
    async with session.get(path, **options) as answer:
        return await answer.text()

async def main():
    whole = b"".join(PIECES)
    found = {"whole": hashlib.sha256(whole).hexdigest(), "size": len(whole)}
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(limit=8)
    headers = {"Host": "a.api.localhost"}
    async with aiohttp.ClientSession(
        sys.argv[1], connector=connector, headers=headers, cookie_jar=jar
    ) as session:
        async with session.post("/digest", data=pieces()) as answer:
            found["chunked"] = await answer.json()
        async with session.post("/digest", data=whole, expect100=True) as answer:
            found["counted"] = await answer.json()
        data = aiohttp.FormData({"a": "1"})
        data.add_field("file", b"contents", filename="f.txt")
        async with session.post("/form", data=data) as answer:
            found["form"] = await answer.json()
        async with session.get("/stream") as answer:
            text = await answer.read()
            found["stream"] = [answer.headers["X-Kind"], len(text), text.endswith(b"199,")]
        found["cookies"] = [await get(session, "/cookie") for _ in range(2)]
        many = await asyncio.gather(*(get(session, "/stream") for _ in range(40)))
        found["many"] = [len(many), len({len(each) for each in many})]
        async with session.ws_connect("/talk", compress=15) as socket:
            await socket.send_str("door")
            said = [await socket.receive_str()]
            await socket.send_bytes(whole[:2_000_000])
            said.append(await socket.receive_bytes() == whole[:2_000_000])
            await socket.send_str("bye")
            end = await socket.receive()
            found["socket"] = [*said, end.type.name, end.data, end.extra]
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture
def rig(tmp_path):
    with door(tmp_path) as rig:
        yield rig


def test_aiohttp_speaks_to_aiohttp(rig, tmp_path):
    probe = subprocess.run([PYTHON, "-c", "import aiohttp"], capture_output=True, check=False)
    require(not probe.returncode, "aiohttp is missing", "apt-get install python3-aiohttp")
    port = free_port()
    (tmp_path / "server.py").write_text(SERVER)
    with program(PYTHON, tmp_path / "server.py", port, cwd=tmp_path, port=port):
        rig.service(a=instance(port))
        command = [PYTHON, "-c", CLIENT, rig.url("").rstrip("/")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    size = found["size"]
    same = {"sha256": found["whole"], "size": size, "X-Forwarded-For": "127.0.0.1"}
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": None}
    assert {**same, **chunked}.items() <= found["chunked"].items()
    assert {**same, "Content-Length": str(size)}.items() <= found["counted"].items()
    assert found["form"] == {"a": "1", "file": "contents"}
    length = sum(len(f"{number},") * 300 for number in range(200))
    assert found["stream"] == ["stream", length, True]
    assert found["cookies"] == ["none", "42"]
    assert found["many"] == [40, 1]
    assert found["socket"] == ["rood", True, "CLOSE", 4001, "as asked"]
