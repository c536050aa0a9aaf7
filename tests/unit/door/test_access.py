"""Access logs of a door: asked for, held, written whole, and dropped with a word."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from engine.door import access
from engine.door.access import AccessLogs
from engine.kernel.syscalls.process import open_fifos

NAME = "api:alice"


class Host:
    """Logs with what they asked for, and a FIFO to read from."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.logs = AccessLogs(asyncio.get_running_loop(), self.asked.append)
        (self.fifo,) = open_fifos([str(folder / "fifo")], 64 * 1024)

    def give(self) -> None:
        self.logs.take(NAME, os.dup(self.fifo))

    def read(self) -> bytes:
        got = b""
        while True:
            try:
                got += os.read(self.fifo, 1 << 20)
            except BlockingIOError:
                return got


def line(number: int) -> bytes:
    return b'{"n":%d,"path":"%b"}\n' % (number, b"x" * 300)


@pytest.fixture
async def host(tmp_path: Path):
    found = Host(tmp_path)
    yield found
    found.logs.close()
    os.close(found.fifo)


async def test_lines_wait_for_the_fifo_and_for_room_in_it(host: Host, monkeypatch) -> None:
    monkeypatch.setattr(access, "RETRY_SECONDS", 0.001)
    for number in range(600):
        host.logs.write(NAME, line(number))
    assert host.asked == [NAME]
    host.give()
    got = b""
    for _ in range(20):
        got += host.read()
        await asyncio.sleep(0.002)
    assert got == b"".join(map(line, range(600)))
    host.logs.write(NAME, line(600))
    host.logs.write(NAME, line(601))
    assert host.read() == b""  # with what else comes soon
    await asyncio.sleep(2 * access.GATHER_SECONDS)
    assert host.read() == line(600) + line(601)


async def test_a_new_engine_is_asked_again_and_nothing_is_written_twice(host: Host) -> None:
    host.logs.write(NAME, line(1))
    host.give()
    host.logs.ask_again()
    assert host.asked == [NAME, NAME]
    before = len(os.listdir("/proc/self/fd"))
    host.give()
    assert len(os.listdir("/proc/self/fd")) == before
    assert host.read() == line(1)


async def test_what_there_is_no_room_for_is_counted(host: Host, monkeypatch) -> None:
    monkeypatch.setattr(access, "HELD_BYTES", 1000)
    for number in range(5):
        host.logs.write(NAME, line(number))
    host.give()
    host.logs.write(NAME, line(9))
    host.logs.close()
    found = [json.loads(one) for one in host.read().splitlines()]
    assert [one.get("n") for one in found] == [0, 1, 2, None, 9]
    assert found[3]["lost"] == 2


async def test_a_log_that_is_refused_or_turned_off_keeps_nothing(host: Host) -> None:
    host.logs.write(NAME, line(1))
    host.logs.take(NAME, None)
    host.logs.write(NAME, line(2))
    assert host.asked == [NAME, NAME]
    host.give()
    host.logs.write(NAME, line(3))
    before = len(os.listdir("/proc/self/fd"))
    host.logs.keep({"web"})
    assert host.read() == line(2) + line(3)
    assert len(os.listdir("/proc/self/fd")) == before - 1
