"""Probes over loopback: verdicts of every kind of answer, and many targets at once.

Of engine.daemon.prober and engine.daemon.deadline.
"""

import asyncio
import errno
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest

from engine.daemon import prober as prober_module
from engine.daemon.prober import Prober, ProbeResult, probe, starting_pause

HOST = "127.0.0.1"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, port: int = 0) -> AsyncIterator[int]:
    """Serve on a free port; what still runs at the end is cut off."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass  # a probe that has its answer may leave first
        finally:
            writer.close()

    server = await asyncio.start_server(handle, HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # the probes' ends see it and close, too


@contextmanager
def hanging() -> Iterator[int]:
    """Listen and never accept: the kernel takes the connection and nobody answers."""
    with socket.create_server((HOST, 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def answering(data: bytes, *, stay: bool = False) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if stay:
            await reader.read()

    return serve


def by_byte(data: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    return serve


VERDICTS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
    (b"HTTP/1.0 200 OK\r\n\r\n", ""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
    (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", ""),
    (b"HTTP/1.1 399\r\n\r\n", ""),
    (b"HTTP/1.1 200 OK\n\nok", ""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""),
    (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n",
        "503 from /health",
    ),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101 from /health"),
    (b"HTTP/1.1 500 Oops 200\r\n\r\n200 OK", "500 from /health"),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", "404 from /health"),
    (b"HTTP/1.1 400 Bad\r\n\r\n", "400 from /health"),
    (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP/1 answer from /health"),
    (b"HTTP/1.1 200OK\r\n\r\n", "no HTTP/1 answer from /health"),
    (b"HTTP/2 200\r\n\r\n", "no HTTP/1 answer from /health"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP/1 answer from /health"),
    (b"200 OK", "no HTTP/1 answer from /health"),
    (b"HTTP/1.1 200 " + b"x" * 2000, "no HTTP/1 answer from /health"),
    (b"HTTP/1.1 20", "connection closed without an answer"),
    (b"", "connection closed without an answer"),
    (b"HTTP/1.1 100 Continue\r\n" + b"A: b\r\n" * 20_000, "no status line in 64 KiB"),
]


@pytest.mark.parametrize(
    ("data", "reason"), VERDICTS, ids=[repr(data[:40]) for data, _ in VERDICTS]
)
@pytest.mark.parametrize("serve", [answering, by_byte])
async def test_verdicts(serve: Callable[[bytes], Serve], data: bytes, reason: str) -> None:
    if serve is by_byte and len(data) > 1000:
        data = data[:1500]
        reason = reason.replace("no status line in 64 KiB", "connection closed without an answer")
    async with serving(serve(data)) as port:
        result = await probe(HOST, port, "/health", 5.0)
    assert (result.is_ok, result.reason) == (not reason, reason)
    assert not result.is_own_fault


async def test_the_request_that_is_sent() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with serving(serve) as port:
        assert (await probe(HOST, port, "/up?deep=1")).is_ok
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"GET /up?deep=1 HTTP/1.1"
    assert {b"Host: localhost", b"Connection: close", b"User-Agent: ten-probe"} <= set(lines)


async def test_the_app_may_end_its_answer_in_peace() -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        try:
            for _ in range(30):
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError as error:
            ended.set_result(repr(error))
            raise
        ended.set_result("in peace")

    async with serving(serve) as port:
        result = await probe(HOST, port, "/health")
        assert result.is_ok
        assert result.ms < 45
        assert await ended == "in peace"


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_module, "LINGER_SECONDS", 0.05)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n", stay=True)) as port:
        before = open_sockets()
        assert (await probe(HOST, port, "/health")).is_ok
        await until(lambda: open_sockets() <= before)


async def test_an_app_that_never_answers() -> None:
    with hanging() as port:
        start = time.monotonic()
        result = await probe(HOST, port, "/health", 0.1)
        assert result == ProbeResult(False, "no answer within 0.1 s", result.ms)
        assert 0.09 < time.monotonic() - start < 1.0


async def test_a_trickle_does_not_extend_the_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 " + b"O" * 500:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with serving(serve) as port:
        assert (await probe(HOST, port, "/health", 0.1)).reason == "no answer within 0.1 s"


async def test_no_connection_is_left_open() -> None:
    with hanging() as port:
        before = open_sockets()
        for path in ("/health", None):
            await probe(HOST, port, path, 0.02)
        task = asyncio.get_running_loop().create_task(probe(HOST, port, "/health"))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: open_sockets() <= before)


async def test_a_connection_that_is_reset() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        linger_none = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        writer.transport.abort()

    async with serving(serve) as port:
        result = await probe(HOST, port, "/health")
    assert result.reason == "connection reset without an answer"


async def test_an_address_nobody_can_reach() -> None:
    result = await probe("255.255.255.255", 80, None)
    assert (result.is_ok, result.is_own_fault) == (False, False)
    assert result.reason in {"permission denied", "network is unreachable"}


async def test_nobody_listens() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    for path in ("/health", None):
        result = await probe(HOST, port, path)
        assert (result.is_ok, result.reason) == (False, "connection refused")


async def test_a_connection_is_enough_without_a_path() -> None:
    with hanging() as port:
        result = await probe(HOST, port, None)
    assert (result.is_ok, result.reason) == (True, "")


class Joined(asyncio.Transport):
    """A connection whose two ends are one socket, as the kernel makes it where nobody listens."""

    is_aborted = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (HOST, 40_000) if name in {"sockname", "peername"} else default

    def abort(self) -> None:
        self.is_aborted = True


async def test_a_socket_joined_to_itself_is_nobody() -> None:
    answer = prober_module._Answer(None, asyncio.get_running_loop())
    joined = Joined()
    answer.connection_made(joined)
    assert await answer.verdict == "connection refused"
    assert joined.is_aborted


async def test_a_fault_of_this_host_is_no_finding() -> None:
    assert (await probe(HOST, 1, None)).is_own_fault is False
    result = ProbeResult(False, "too many open files", is_own_fault=True)
    told: list[str] = []

    async def no_socket(*_: object) -> ProbeResult:
        return result

    prober = Prober(lambda name, _: told.append(name))
    original = prober_module.probe
    prober_module.probe = no_socket  # type: ignore[assignment]
    try:
        prober.watch("a:b", HOST, 1, None, 0.001, is_starting=True)
        await asyncio.sleep(0.05)
    finally:
        prober_module.probe = original
        await prober.close()
    assert told == []
    assert errno.EMFILE in prober_module._OWN_FAULTS


async def test_a_stall_of_this_process_is_not_the_apps() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:

        async def stall() -> None:
            await asyncio.sleep(0.001)
            time.sleep(0.4)

        stalled = asyncio.get_running_loop().create_task(stall())
        result = await probe(HOST, port, "/health", 0.2)
        await stalled
        assert result.is_ok, result.reason


# --- the prober ---


class Findings:
    def __init__(self) -> None:
        self.taken: list[tuple[str, ProbeResult, float]] = []

    def __call__(self, name: str, result: ProbeResult) -> None:
        self.taken.append((name, result, time.monotonic()))

    def of(self, name: str) -> list[ProbeResult]:
        return [result for taken, result, _ in self.taken if taken == name]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)


def open_sockets() -> int:
    """Count sockets: the loops keep other descriptors of their own once they have worked."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def test_a_starting_one_is_asked_ever_less_often() -> None:
    assert starting_pause(0) == 0.001
    assert starting_pause(0.1) == 0.025
    assert starting_pause(60) == 0.25


async def test_readiness_is_seen_soon() -> None:
    findings = Findings()
    prober = Prober(findings)
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    prober.watch("a:b", HOST, port, "/health", 60.0, is_starting=True)
    await asyncio.sleep(0.2)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n"), port):
        ready = time.monotonic()
        await until(lambda: findings.of("a:b")[-1].is_ok)
        assert findings.taken[-1][2] - ready < 0.2
        assert 5 < len(findings.taken) < 60
        taken = len(findings.taken)
        await asyncio.sleep(0.1)
        assert len(findings.taken) == taken, "once ready, it waits for its interval"
        await prober.close()


async def test_a_running_one_is_asked_once_an_interval() -> None:
    findings = Findings()
    prober = Prober(findings)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        prober.watch("a:b", HOST, port, "/health", 0.05)
        await until(lambda: len(findings.taken) >= 3)
        taken = len(findings.taken)
        await asyncio.sleep(0.5)
        # Never more often than its interval less the jitter, however late the loop may be.
        assert len(findings.taken) - taken <= 0.5 / (0.05 * 0.9) + 2
        await prober.close()


async def test_nothing_is_told_after_unwatch() -> None:
    findings = Findings()
    prober = Prober(findings)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        prober.watch("a:b", HOST, port, "/health", 0.01, is_starting=True)
        await until(lambda: len(findings.taken) > 2)
        prober.unwatch("a:b")
        prober.unwatch("a:b")
        taken = len(findings.taken)
        await asyncio.sleep(0.05)
        assert len(findings.taken) == taken
    await prober.close()


async def test_a_new_watch_takes_the_place_of_the_old() -> None:
    findings = Findings()
    prober = Prober(findings)
    with hanging() as deaf:
        prober.watch("a:b", HOST, deaf, "/health", 60.0, is_starting=True)
        await asyncio.sleep(0.01)
        async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
            prober.watch("a:b", HOST, port, "/health", 60.0, is_starting=True)
            await until(lambda: bool(findings.taken))
        await prober.close()
    assert [result.is_ok for result in findings.of("a:b")] == [True]


async def test_a_failing_receiver_does_not_end_the_probing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    def fail(name: str, result: ProbeResult) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError(name)

    prober = Prober(fail)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        prober.watch("a:b", HOST, port, "/health", 0.01, is_starting=True)
        await until(lambda: calls >= 3)
        await prober.close()
    assert "taking the probe of a:b failed" in caplog.text


async def test_a_thousand_that_hang_do_not_delay_one_that_answers() -> None:
    findings = Findings()
    prober = Prober(findings)
    with socket.create_server((HOST, 0), backlog=4096) as listener:
        deaf = listener.getsockname()[1]
        for number in range(1000):
            prober.watch(f"deaf:{number}", HOST, deaf, "/health", 60.0, is_starting=True)
        async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
            start = time.monotonic()
            prober.watch("good:one", HOST, port, "/health", 60.0, is_starting=True)
            await until(lambda: bool(findings.of("good:one")))
            assert findings.of("good:one")[0].is_ok
            assert time.monotonic() - start < 3.0
        await prober.close()


async def test_who_listens_is_asked_at_the_first_good_answer_and_after_each_bad_one() -> None:
    asked: list[str] = []
    verdicts = iter(["a stranger", "", ""])
    results: list[ProbeResult] = []
    is_well = True

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if is_well else b"500 No"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    def owner() -> str:
        asked.append("asked")
        return next(verdicts)

    async def until(count: int) -> None:
        while len(results) < count:
            await asyncio.sleep(0.005)

    prober = Prober(lambda _, result: results.append(result))
    async with serving(serve) as port:
        prober.watch("a:b", HOST, port, "/", 0.01, owner=owner)
        await until(6)
        assert [one.reason for one in results[:3]] == ["a stranger", "", ""]
        assert len(asked) == 2
        is_well = False
        await until(len(results) + 3)
        assert results[-1].reason == "500 from /"
        is_well = True
        await until(len(results) + 4)
        assert results[-1].is_ok
        await prober.close()
    assert len(asked) == 3
