"""What the door keeps in memory: 10 GB each way through one, and 5,000 open WebSockets.

Resident memory before and at its most; nothing to compare with, the budget is a constant.
"""

import asyncio
import base64
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.e2e.door_apps import Upstream, response, upstream
from tests.e2e.door_rig import DoorRig, door, instance, read_until

BODY_BYTES = int(os.environ.get("TEN_BENCH_BODY", "10000000000"))
SOCKETS = int(os.environ.get("TEN_BENCH_SOCKETS", "5000"))
HOST = b"Host: a.api.localhost\r\n"
PIECE = bytes(1 << 20)

MOST_BODY_BYTES = 16 << 20
MOST_SOCKET_BYTES = 16 << 10
"""Budgets: memory that bodies may take, and one open WebSocket with both its connections."""

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def bodies(rig: DoorRig) -> bool:
    """Send and fetch a body of that size; tell whether memory stayed within its budget."""

    def talk(up: Upstream, sock: socket.socket) -> None:
        head = up.request(sock)
        if head.startswith(b"POST"):
            left = BODY_BYTES - len(head.partition(b"\r\n\r\n")[2])
            buffer = bytearray(1 << 20)
            while left > 0:
                left -= sock.recv_into(buffer)
            sock.sendall(response(b"all"))
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
        for start in range(0, BODY_BYTES, len(PIECE)):
            sock.sendall(PIECE[: BODY_BYTES - start])

    process = psutil.Process(rig.process.pid)
    with upstream(talk) as app:
        rig.service(a=instance(app.port))
        before = process.memory_info().rss
        peak = before
        began = time.monotonic()
        with rig.connect() as sock:
            sock.settimeout(60)
            sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % BODY_BYTES)
            for start in range(0, BODY_BYTES, len(PIECE)):
                sock.sendall(PIECE[: BODY_BYTES - start])
                peak = max(peak, process.memory_info().rss)
            read_until(sock, b"all")
        sent = time.monotonic()
        with rig.connect() as sock:
            sock.settimeout(60)
            sock.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            got = len(read_until(sock, b"\r\n\r\n").partition(b"\r\n\r\n")[2])
            buffer = bytearray(1 << 20)
            while got < BODY_BYTES:
                got += sock.recv_into(buffer)
                peak = max(peak, process.memory_info().rss)
        ended = time.monotonic()
    grown = peak - before
    print(
        f"{BODY_BYTES / 1e9:g} GB up {BODY_BYTES / (sent - began) / 1e9:.2f} GB/s, "
        f"down {BODY_BYTES / (ended - sent) / 1e9:.2f} GB/s; "
        f"the door grew by {grown / 1e6:.1f} MB from {before / 1e6:.1f} MB"
    )
    return grown <= MOST_BODY_BYTES


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(SWITCH)
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16))
    writer.write(
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def sockets(rig: DoorRig) -> bool:
    """Open that many tunnels, say something in each; tell whether memory kept its budget."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=4096)
    rig.service(a=instance(server.sockets[0].getsockname()[1]))
    process = psutil.Process(rig.process.pid)
    before = process.memory_info().rss
    pairs = []
    for _ in range(0, SOCKETS, 100):
        pairs += await asyncio.gather(*(_open(rig.port) for _ in range(100)))
    began = time.monotonic()
    for _, writer in pairs:
        writer.write(b"hello")
    for reader, _ in pairs:
        assert await reader.readexactly(5) == b"hello"
    seconds = time.monotonic() - began
    grown = process.memory_info().rss - before
    print(
        f"{len(pairs)} WebSockets open: {grown / len(pairs) / 1e3:.1f} kB each in the door; "
        f"one echo in every one of them took {seconds:.2f} s"
    )
    for _, writer in pairs:
        writer.close()
    server.close()
    await server.wait_closed()
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.05)
    return grown / len(pairs) <= MOST_SOCKET_BYTES


def main() -> int:
    """Run both."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder, door(Path(folder)) as rig:
        is_right = bodies(rig)
    with tempfile.TemporaryDirectory() as folder, door(Path(folder)) as rig:
        is_right &= asyncio.run(sockets(rig))
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
