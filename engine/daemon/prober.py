"""Readiness and liveness probes: many at once, none delayed by another that hangs.

`probe` asks one target once; `Prober` asks each watched instance again and again. What follows
from an answer is decided by `engine.core.lifecycle`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import msgspec

from engine.daemon import tasks
from engine.daemon.deadline import Deadline
from engine.kernel.connect import hand_over

if TYPE_CHECKING:
    import socket

Opener = Callable[[], Awaitable["socket.socket"]]
"""Gives a connected socket, or raises OSError."""

Owner = Callable[[], str]
"""Says why what answers is not the target, "" if it is; called on a thread."""

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
"""From the start of the connect to the end of the status line."""

MAX_ANSWER_BYTES = 64 * 1024
"""What is read of an answer at most."""

SLOTS = 256
"""Probes that may begin at once."""

YOUNG_SECONDS = 0.25
"""How long a probe holds its slot; one that has no answer by then waits on without it."""

WAITING = 4096
"""Probes that may wait on without a slot; beyond that they keep theirs."""

LINGER_SECONDS = 1.0
"""How long the rest of an answer is read, so that the app can end it in peace."""

FASTEST_SECONDS = 0.001
SLOWEST_SECONDS = 0.25
"""Bounds of the pause between probes of a starting instance."""

_STARTING_SHARE = 0.25
_JITTER = 0.1

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_START = b"HTTP/1."

_OWN_FAULTS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN}
)


class ProbeResult(msgspec.Struct, frozen=True):
    """What one probe found.

    Attributes:
        is_ok: It answered with a status from 200 to 399, or took the connection.
        reason: Why it is not ok, for example "503 from /health"; "" if it is.
        ms: From the start of the connect to the answer.
        is_own_fault: This host had no socket to ask with, so nothing was learnt of the target.
    """

    is_ok: bool
    reason: str = ""
    ms: float = 0.0
    is_own_fault: bool = False


class _Answer(asyncio.Protocol):
    """Sends the request and reads up to the final status line; then lets the app finish.

    `verdict` is "" for a good answer, else the reason.
    """

    def __init__(self, path: str | None, loop: asyncio.AbstractEventLoop) -> None:
        self.verdict: asyncio.Future[str] = loop.create_future()
        self._path = path
        self._loop = loop
        self._buffer = bytearray()
        self._seen = 0
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        local, remote = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        if local is not None and local == remote:
            # Nobody listens: the kernel drew the target's port as ours and joined the two ends.
            self._conclude("connection refused")
            self._transport.abort()
        elif self._path is None:
            self._conclude("")
            self._transport.close()
        else:
            request = (
                f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ten-probe\r\n"
                "Accept: */*\r\nConnection: close\r\n\r\n"
            )
            self._transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        self._seen += len(data)
        if not self.verdict.done():
            self._buffer += data
            self._read_status()
        if self._seen >= MAX_ANSWER_BYTES:
            self._conclude(f"no status line in {MAX_ANSWER_BYTES // 1024} KiB")
            self._end()

    def eof_received(self) -> bool:
        self._conclude("connection closed without an answer")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self._conclude(_reason_of(exc) if exc else "connection closed without an answer")

    def give_up(self) -> None:
        """Close at once where no answer came."""
        # A wait that was broken off has cancelled the verdict already.
        if self.verdict.cancelled() or not self.verdict.done():
            self.verdict.cancel()
            self._end()

    def _read_status(self) -> None:
        while True:
            match = _STATUS_LINE.match(self._buffer)
            if match is None:
                if not _may_become_status(self._buffer):
                    self._conclude(f"no HTTP/1 answer from {self._path}")
                    self._end()
                return
            status = int(match[1])
            if status >= 200 or status == 101:
                is_ok = 200 <= status < 400
                self._conclude("" if is_ok else f"{status} from {self._path}")
                self._linger = self._loop.call_later(LINGER_SECONDS, self._end)
                return
            # An interim answer: the final one follows its head.
            end = _HEAD_END.search(self._buffer, match.end() - 2)
            if end is None:
                return
            del self._buffer[: end.end()]

    def _conclude(self, verdict: str) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)
            self._buffer.clear()

    def _end(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _may_become_status(buffer: bytearray) -> bool:
    """Tell whether more bytes could make this a status line; a line of 1 KiB cannot."""
    if b"\n" in buffer or len(buffer) > 1024:
        return False
    return buffer[: len(_STATUS_START)] == _STATUS_START[: len(buffer)]


def _reason_of(error: BaseException) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset without an answer"
        case OSError() if error.errno:
            text = os.strerror(error.errno)
            return text[:1].lower() + text[1:]
        case _:
            return str(error) or type(error).__name__


async def probe(
    host: str,
    port: int,
    path: str | None,
    timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109 - counts from the connect, and stalls of ours extend it
    opener: Opener | None = None,
) -> ProbeResult:
    """Ask a target once.

    Args:
        host: Address of the target.
        port: TCP port.
        path: GET this and judge the status; None: an accepted connection is enough.
        timeout: Seconds for the connect and the answer together.
        opener: Connects to the target, where that is in another network namespace.

    Returns: the finding; no failure of the target raises.
    """
    loop = asyncio.get_running_loop()
    start = time.monotonic()  # uvloop's own clock counts whole milliseconds
    answer = _Answer(path, loop)
    deadline = Deadline(loop, timeout)
    try:
        async with deadline:
            if opener is None:
                await loop.create_connection(lambda: answer, host, port)
            else:
                await hand_over(lambda: answer, await opener())
            reason = await answer.verdict
    except TimeoutError:
        reason = f"no answer within {timeout:g} s"
    except OSError as error:
        ms = (time.monotonic() - start) * 1000
        return ProbeResult(False, _reason_of(error), ms, is_own_fault=error.errno in _OWN_FAULTS)
    finally:
        answer.give_up()
    return ProbeResult(not reason, reason, (time.monotonic() - start) * 1000)


class _Slots:
    """Bounds how many probes begin at once, without letting hung ones starve the others.

    A probe gives its slot back after `YOUNG_SECONDS` and waits on without it, so 1,000 targets
    that never answer delay the next probe by a second, not by 1,000 timeouts.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(SLOTS)
        self._waiting = 0

    async def ask(self, watch: _Watch) -> ProbeResult:
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        is_old = False

        def grow_old() -> None:
            nonlocal is_old
            if self._waiting < WAITING:
                is_old = True
                self._waiting += 1
                self._free.release()

        timer = loop.call_later(YOUNG_SECONDS, grow_old)
        try:
            return await probe(watch.host, watch.port, watch.path, opener=watch.opener)
        finally:
            timer.cancel()
            if is_old:
                self._waiting -= 1
            else:
                self._free.release()


class _Watch(msgspec.Struct, kw_only=True):
    name: str
    host: str
    port: int
    path: str | None
    interval: float
    is_starting: bool
    opener: Opener | None
    owner: Owner | None
    is_known: bool = False


class Prober:
    """Probes every watched instance for as long as it is watched.

    A running instance is probed every `interval` seconds, give or take a tenth so that they do
    not march in step; the first time somewhere within the interval. A starting one is probed at
    once and then ever less often, so that its readiness is seen within a quarter of the time it
    took (at least 1 ms, at most 250 ms); from its first good answer on it counts as running.
    """

    def __init__(self, on_result: Callable[[str, ProbeResult], None]) -> None:
        """Take what to call, on the loop, with each finding and the name it is about."""
        self._on_result = on_result
        self._slots = _Slots()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def watch(
        self,
        name: str,
        host: str,
        port: int,
        path: str | None,
        interval: float,
        is_starting: bool = False,
        opener: Opener | None = None,
        owner: Owner | None = None,
    ) -> None:
        """Begin to probe; a watch of that name is replaced, with what it has under way.

        The first good answer, and each that follows a bad one, counts only if `owner` agrees.
        """
        self.unwatch(name)
        watch = _Watch(
            name=name,
            host=host,
            port=port,
            path=path,
            interval=interval,
            is_starting=is_starting,
            opener=opener,
            owner=owner,
        )
        self._tasks[name] = tasks.spawn(self._repeat(watch), name=f"probe {name}")

    def unwatch(self, name: str) -> None:
        """Stop to probe; nothing more is told of it. Unknown names are fine."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop all and wait until their connections are closed."""
        ending = list(self._tasks.values())
        for name in list(self._tasks):
            self.unwatch(name)
        await asyncio.gather(*ending, return_exceptions=True)

    async def _repeat(self, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        born = loop.time()
        pause = 0.0 if watch.is_starting else _draw(0.0, watch.interval)
        while True:
            await asyncio.sleep(pause)
            start = loop.time()
            result = await self._slots.ask(watch)
            if result.is_own_fault:
                _log.warning("cannot probe %s: %s", watch.name, result.reason)
                pause = 1.0
                continue
            if result.is_ok and not watch.is_known and watch.owner is not None:
                fault = await asyncio.to_thread(watch.owner)
                result = ProbeResult(not fault, fault, result.ms)
            watch.is_known = result.is_ok
            self._tell(watch.name, result)
            watch.is_starting = watch.is_starting and not result.is_ok
            now = loop.time()
            if watch.is_starting:
                pause = starting_pause(now - born)
            else:
                jitter = _draw(1.0 - _JITTER, 1.0 + _JITTER)
                pause = max(0.0, start + watch.interval * jitter - now)

    def _tell(self, name: str, result: ProbeResult) -> None:
        try:
            self._on_result(name, result)
        except Exception:  # noqa: BLE001 - a finding lost is better than an end of probing
            _log.exception("taking the probe of %s failed", name)


def _draw(low: float, high: float) -> float:
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing


def starting_pause(elapsed: float) -> float:
    """Give the pause before the next probe of an instance that started `elapsed` seconds ago."""
    return min(SLOWEST_SECONDS, max(FASTEST_SECONDS, elapsed * _STARTING_SHARE))
