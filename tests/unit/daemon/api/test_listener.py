"""engine.daemon.api.listener: connections from their begin to the engine's end."""

import asyncio
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from engine.daemon.api import listener
from engine.daemon.api.listener import read_peer
from tests.fake_server import FakeServer
from tests.fakes import FakeControl
from tests.served import Served


def test_several_requests_on_one_connection_also_pipelined(local: Served) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(local.path))
        request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        link.sendall(request * 3)
        data = b""
        while data.count(b'{"status":"ok"}') < 3:
            data += link.recv(65536)


@pytest.mark.parametrize(
    "data", [b"\x00\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\nbad header\r\n\r\n"]
)
def test_what_is_no_http_is_answered_and_harms_nobody(local: Served, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(local.path))
        link.sendall(data)
        assert link.recv(65536).startswith(b"HTTP/1.1 400")
    assert local.ask("GET", "/health").status == 200


def test_the_kernel_says_who_connects() -> None:
    here, there = socket.socketpair()
    with here, there:
        peer = read_peer(here)
    assert peer is not None
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert set(os.getgroups()) <= {*peer.groups, peer.gid}


def test_more_groups_than_fit_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crowded:
        family = socket.AF_UNIX

        def getsockopt(self, _: int, option: int, size: int) -> bytes:
            if option == socket.SO_PEERCRED:
                return struct.pack("3i", 7, 0, 0)
            raise OSError(34, os.strerror(34))

    monkeypatch.setattr(os, "getgrouplist", lambda *_: [0, 4242])
    peer = read_peer(Crowded())  # type: ignore[arg-type]
    assert peer is not None
    assert peer.groups == (0, 4242)
    assert listener._listed_groups(54321, 54321) == ()


async def test_the_end_waits_for_answers_and_not_for_streams(tmp_path: Path) -> None:
    control = FakeControl(str(tmp_path), step=0.3)
    server = FakeServer(control, tmp_path / "s")
    async with server:
        await control.populate()
        opened = [await asyncio.open_unix_connection(server.path) for _ in range(3)]
        requests = (
            b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n",
            b"DELETE /api/instances/api:bob HTTP/1.1\r\nHost: x\r\n\r\n",
            b"",
        )
        for (_, writer), data in zip(opened, requests, strict=True):
            writer.write(data)
        stream, deletion, idle = (reader for reader, _ in opened)
        await stream.readuntil(b"snapshot")
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await server.listener.stop(5.0)
        assert 0.1 < time.monotonic() - begun < 2.0
        assert (await deletion.read()).startswith(b"HTTP/1.1 204")
        assert (await stream.read()).endswith(b"0\r\n\r\n"), "ended as it should, not cut"
        assert await idle.read() == b""
        for _, writer in opened:
            writer.close()
        await server.listener.stop()


async def test_what_does_not_end_by_itself_is_ended(tmp_path: Path) -> None:
    control = FakeControl(str(tmp_path), step=30.0)
    server = FakeServer(control, tmp_path / "s")
    async with server:
        await control.populate()
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b"DELETE /api/instances/api:bob HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await server.listener.stop(0.1)
        assert time.monotonic() - begun < 2.0
        assert not (await reader.read()).startswith(b"HTTP/1.1 2")
        writer.close()
