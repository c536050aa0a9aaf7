"""Rings in memory, and what is asked of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import NotFound
from engine.core.wire import (
    LogLine,
    LogMatches,
    LogWindow,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


_MAX_LINE = 4096


class FakeRing:
    """Lines in memory; the oldest go when `capacity` is reached, numbers go on."""

    def __init__(self, capacity: int = 20_000) -> None:
        self.lines: deque[LogLine] = deque(maxlen=capacity)
        self.end = 0
        self.grown = asyncio.Event()

    @property
    def oldest(self) -> int:
        return self.lines[0].number if self.lines else self.end

    def append(self, text: str, stream: str = "stdout", time_ns: int = 0) -> None:
        line = LogLine(self.end, time_ns or time.time_ns(), stream, text)
        self.lines.append(line)
        self.end += 1
        self.grown.set()
        self.grown = asyncio.Event()


class FakeLogs:
    """The part of `engine.daemon.control.Control` that is about logs."""

    def __init__(self) -> None:
        self.rings: dict[str, FakeRing] = {}

    def ring(self, name: str) -> FakeRing:
        if name not in self.rings:
            raise NotFound(f"No log of {name}")
        return self.rings[name]

    async def log_window(
        self,
        name: str,
        *,
        first: int | None = None,
        count: int = 100,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> LogWindow:
        ring = self.ring(name)
        lines = [
            msgspec.structs.replace(line, text=line.text[:_MAX_LINE])
            for line in ring.lines
            if (not stream or line.stream == stream)
            and text in line.text
            and line.time_ns >= since_ns
            and (not until_ns or line.time_ns <= until_ns)
        ]
        if first is None:
            lines = lines[-count:]
        elif stream or text or since_ns or until_ns:
            lines = [line for line in lines if line.number >= first][:count]
        else:
            lines = [line for line in lines if first <= line.number < first + count]
        return LogWindow(
            name=name, oldest=ring.oldest, end=ring.end, lines=lines, size_bytes=ring.end * 80
        )

    async def log_search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool = False,
        is_regex: bool = False,
        limit: int = 1,
    ) -> LogMatches:
        ring = self.ring(name)
        pattern = re.compile(text if is_regex else re.escape(text))
        lines = [line for line in ring.lines if pattern.search(line.text)]
        if is_backward:
            found = [line for line in reversed(lines) if line.number <= first]
        else:
            found = [line for line in lines if line.number >= first]
        found = found[:limit]
        step = -1 if is_backward else 1
        following = found[-1].number + step if len(found) == limit else -1
        return LogMatches(name=name, lines=found, next=following)

    async def log_wait(self, name: str, end: int, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while self.ring(name).end <= end and (rest := deadline - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(rest):
                    await self.ring(name).grown.wait()
            except TimeoutError:
                return

    def log_names(self) -> list[str]:
        return sorted(self.rings)

    def log_raw(self, name: str) -> AsyncIterator[bytes]:
        lines = list(self.ring(name).lines)

        async def pieces() -> AsyncIterator[bytes]:
            for line in lines:
                yield line.text.encode() + b"\n"

        return pieces()
