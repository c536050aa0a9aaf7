"""Connecting with sockets that were made elsewhere, on the loop that engine and doors use."""

import asyncio
import os
import socket
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from engine.kernel.connect import connect_loopback, hand_over


def run(what: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(what)


def made() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def test_connects_and_says_why_not() -> None:
    async def talk() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with made() as sock:
                await connect_loopback(sock, port)
                assert sock.getpeername() == ("127.0.0.1", port)
        refused = made()
        with pytest.raises(ConnectionRefusedError):
            await connect_loopback(refused, port)
        assert refused.fileno() == -1

    run(talk())


def test_waits_for_a_listener_whose_queue_is_full() -> None:
    async def talk() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
            port = server.getsockname()[1]
            with made() as first, made() as second:
                await connect_loopback(first, port)
                waiting = asyncio.get_running_loop().create_task(connect_loopback(second, port))
                await asyncio.sleep(0.05)
                assert not waiting.done()
                accepted = server.accept()[0]
                await waiting  # the kernel tries again after a second
                accepted.close()

    run(talk())


class _ClosesAtOnce(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def test_a_descriptor_is_closed_once_though_the_protocol_closes_at_once() -> None:
    """Closed twice, it would be another's by then."""

    async def talk() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            sock = made()
            await connect_loopback(sock, server.getsockname()[1])
            number = sock.fileno()
            await hand_over(_ClosesAtOnce, sock)
            await asyncio.sleep(0)
            taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
            assert number in taken
            del sock
            for fd in taken:
                os.close(fd)

    run(talk())
