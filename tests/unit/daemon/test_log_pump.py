"""FIFOs read into rings on a real loop: nothing lost, nothing starved, a full disk survived."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.core.errors import NotFound, Refused
from engine.core.ring import Stream
from engine.daemon import fifo as fifo_module
from engine.daemon import log_pump
from engine.daemon.fifo import Counters, Phase
from engine.daemon.log_pump import LogPump
from engine.daemon.log_search import Search
from engine.daemon.ring import Ring, RingStore, line_filter

OUT, ERR = Stream.STDOUT, Stream.STDERR
MIB = 1024 * 1024


@dataclass
class Program:
    """The writing ends an instance has; blocking, opened for itself."""

    out: int
    err: int

    def close(self) -> None:
        os.close(self.out)
        os.close(self.err)


class Host:
    """A pump with its store, and programs that write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = RingStore(folder / "logs")
        self.pump = LogPump(asyncio.get_running_loop(), self.store)
        self.programs: list[Program] = []

    def attach(self, name: str, limit_bytes: int | None = None) -> Program:
        reading, writing = [], []
        for stream in ("out", "err"):
            path = self.folder / f"{name}.{stream}"
            if not path.exists():
                os.mkfifo(path)
            reading.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            writing.append(os.open(path, os.O_RDWR))
        self.pump.attach(name, reading[0], reading[1], limit_bytes)
        self.programs.append(Program(*writing))
        return self.programs[-1]

    def texts(self, name: str) -> list[str]:
        return [line.text for line in self.store.ring(name).window(0, 10**7).lines]

    async def until(self, is_so: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "it did not come"
            await asyncio.sleep(0.002)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    before = len(os.listdir("/proc/self/fd"))
    host = Host(tmp_path)
    yield host
    host.pump.close()
    host.store.close()
    for program in host.programs:
        program.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_both_streams_come_in(host: Host) -> None:
    program = host.attach("api:a")
    os.write(program.out, b"one\n")
    os.write(program.err, b"error\n")
    await host.until(lambda: host.pump.counters("api:a").lines == 2)
    lines = host.store.ring("api:a").window().lines
    assert sorted((line.stream, line.text) for line in lines) == [
        ("stderr", "error"),
        ("stdout", "one"),
    ]
    assert host.pump.counters("api:a") == Counters(2, 1, 10)
    assert host.pump.counters("api:unknown") == Counters()
    assert host.pump.names() == ["api:a"]


async def test_what_was_written_before_is_read(host: Host) -> None:
    program = host.attach("api:a")
    os.write(program.out, b"one\n")
    host.pump.detach("api:a")
    os.write(program.out, b"while nobody read\n")
    host.attach("api:a")
    await host.until(lambda: host.store.ring("api:a").end == 2)
    assert host.texts("api:a") == ["one", "while nobody read"]
    assert host.pump.counters("api:a").lines in (0, 1)


async def test_a_quiet_fifo_costs_no_wakeups(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    program = host.attach("api:a")
    os.write(program.out, b"one\n")
    await host.until(lambda: host.store.ring("api:a").end == 1)
    await asyncio.sleep(0.05)
    turns = 0
    real = LogPump._serve

    def count(pump: LogPump, fifo: object) -> None:
        nonlocal turns
        turns += 1
        real(pump, fifo)

    monkeypatch.setattr(LogPump, "_serve", count)
    await asyncio.sleep(0.1)
    assert turns == 0
    os.write(program.out, b"two\n")
    await host.until(lambda: host.store.ring("api:a").end == 2)
    assert turns >= 1


async def test_a_first_word_shows_without_delay(host: Host) -> None:
    program = host.attach("api:a")
    await asyncio.sleep(0.05)
    waits = []
    for number in range(5):
        began = time.monotonic()
        os.write(program.out, b"word\n")
        await host.pump.wait("api:a", number, 5)
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.03)
    assert min(waits) < log_pump.LOOK_SECONDS
    assert host.store.ring("api:a").end == 5


async def test_followers_wait_for_lines(host: Host) -> None:
    program = host.attach("api:a")
    began = time.monotonic()
    await host.pump.wait("api:a", 0, 0.05)
    assert time.monotonic() - began >= 0.045
    waits = [asyncio.wait_for(host.pump.wait("api:a", end, 30), 5) for end in (0, 0, 1, 2)]
    async with asyncio.TaskGroup() as group:
        for wait in waits:
            group.create_task(wait)
        await asyncio.sleep(0.01)
        os.write(program.out, b"one\ntwo\n")
        await asyncio.sleep(0.01)
        host.pump.append("api:a", b"of our own\n", ERR)
    await asyncio.wait_for(host.pump.wait("api:a", 2, 30), 5)
    assert host.pump._waiters == {}
    with pytest.raises(NotFound):
        await host.pump.wait("api:none", 0, 1)


async def test_a_follower_that_leaves_is_forgotten(host: Host) -> None:
    host.attach("api:a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(host.pump.wait("api:a", 0, 30), 0.01)
    assert host.pump._waiters == {}


async def test_a_drain_takes_all_there_is(host: Host) -> None:
    program = host.attach("api:a")
    os.write(program.err, b"last words\nand no newline")
    host.pump.drain("api:a")
    host.pump.drain("api:unknown")
    assert host.store.ring("api:a").tail_text("stderr") == ["last words", "and no newline"]


async def test_a_detach_without_a_drain_leaves_bytes_to_the_next(host: Host) -> None:
    program = host.attach("api:a")
    await asyncio.sleep(0.01)
    os.write(program.out, b"for the next\n")
    host.pump.detach("api:a", drain=False)
    host.pump.detach("api:a")
    assert host.texts("api:a") == []
    host.attach("api:a")
    await host.until(lambda: host.texts("api:a") == ["for the next"])


async def test_attaching_again_takes_the_place(host: Host) -> None:
    first = host.attach("api:a")
    os.write(first.out, b"one\n")
    second = host.attach("api:a")
    os.write(second.out, b"two\n")
    await host.until(lambda: host.texts("api:a") == ["one", "two"])


async def test_a_name_that_is_none_is_refused(host: Host) -> None:
    with pytest.raises(Refused):
        host.pump.attach("../x:a", 0, 0)


async def test_a_pipe_whose_writer_left_is_not_read_for_ever(host: Host) -> None:
    ends = [os.pipe2(os.O_NONBLOCK), os.pipe2(os.O_NONBLOCK)]
    host.pump.attach("api:a", ends[0][0], ends[1][0])
    os.write(ends[0][1], b"bye\n")
    for _, writing in ends:
        os.close(writing)
    feed = host.pump._feeds["api:a"]
    await host.until(lambda: all(fifo.phase is Phase.CLOSED for fifo in feed.fifos))
    assert host.texts("api:a") == ["bye"]


async def test_ten_megabytes_come_whole_and_in_order(host: Host) -> None:
    program = host.attach("api:a", 64 * MIB)
    lines = [b"line %07d of a flood\n" % number for number in range(400_000)]

    def write() -> None:
        data = memoryview(b"".join(lines))
        while data:
            data = data[os.write(program.out, data[:100_000]) :]

    await asyncio.to_thread(write)
    await host.until(lambda: host.store.ring("api:a").end == len(lines))
    assert host.texts("api:a") == [line.decode().rstrip() for line in lines]
    if os.geteuid() == 0:  # an ordinary user's share of large pipes may be used up
        assert host.pump._feeds["api:a"].fifos[0].capacity > 65536
    await host.until(lambda: host.pump.counters("api:a").lines == len(lines))


async def test_a_flood_starves_neither_the_loop_nor_others(host: Host) -> None:
    noisy = host.attach("api:noisy", 4 * MIB)
    calm = host.attach("api:calm")
    is_over = False

    def write() -> None:
        data = b"noise " * 20_000
        while not is_over:
            os.write(noisy.out, data)

    writing = asyncio.get_running_loop().run_in_executor(None, write)
    delays, longest = [], 0.0
    for number in range(10):
        os.write(calm.out, b"calm\n")
        began = time.monotonic()
        while host.store.ring("api:calm").end == number:
            turn = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - turn)
            assert time.monotonic() - began < 5
        delays.append(time.monotonic() - began)
    is_over = True
    await writing
    assert sorted(delays)[5] < 0.1
    assert longest < 1
    assert host.pump.counters("api:noisy").bytes > MIB
    assert host.store.ring("api:noisy").size_bytes <= 4 * MIB


async def test_lines_of_a_flood_are_counted_once_it_ebbs(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fifo_module, "FLOOD_BYTES_A_SECOND", 1000)
    monkeypatch.setattr(fifo_module, "FLOOD_SECONDS", 0.01)
    monkeypatch.setattr(log_pump, "MARK_SECONDS", 0.05)
    program = host.attach("api:a", 64 * MIB)
    ring = host.store.ring("api:a")
    for _ in range(50):
        os.write(program.out, b"a line\n" * 1000)
        await asyncio.sleep(0.001)
        if ring.is_flooded:
            break
    assert ring.is_flooded
    for _ in range(300):
        await asyncio.to_thread(os.write, program.out, b"a line\n" * 1000)
    await host.until(lambda: not ring.is_flooded and ring.is_counted)
    counters = host.pump.counters("api:a")
    assert counters.lines == counters.bytes // 7 == ring.end


async def test_a_ring_with_much_in_it_is_counted_on_a_thread(host: Host) -> None:
    host.store.ring("api:a").append(b"an old line\n" * 500_000, OUT)
    host.store.close()
    host.store._rings.clear()
    program = host.attach("api:a")
    os.write(program.out, b"new\n")
    assert host.pump._feeds["api:a"].is_settling
    await host.until(lambda: host.pump._feeds["api:a"].base is not None)
    await host.until(lambda: host.store.ring("api:a").end == 500_001)
    os.write(program.out, b"newer\n")
    await host.until(lambda: host.store.ring("api:a").end == 500_002)
    assert host.pump.counters("api:a").lines in (1, 2)


async def test_marks_are_written_every_second(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(log_pump, "MARK_SECONDS", 0.02)
    program = host.attach("api:a")
    os.write(program.out, b"one\n")
    ring = host.store.ring("api:a")
    await host.until(lambda: ring.end == 1 and ring._is_marked)
    rebooted = RingStore(tmp_path / "logs", boot=b"another boot now")
    assert rebooted.ring("api:a").end == 1


# --- a full disk ---


class FullDisk:
    """Makes splice fail as a full or broken disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.failures_left = 0
        self.error = number
        self.real = os.splice
        monkeypatch.setattr(os, "splice", self)

    def __call__(self, *arguments: object, **options: object) -> int:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError(self.error, os.strerror(self.error))
        return self.real(*arguments, **options)


async def test_a_full_disk_costs_the_oldest_segment_only(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    host.pump.on_trouble = lambda name, _: told.append(name)
    disk = FullDisk(monkeypatch, errno.ENOSPC)
    program = host.attach("api:a", MIB)
    ring = host.store.ring("api:a")
    ring.append(b"x" * 99 + b"\n" + b"old line\n" * 40_000, OUT)
    disk.failures_left = 1
    os.write(program.out, b"new line\n")
    await host.until(lambda: ring.end == 40_002)
    assert told == []
    assert ring.oldest > 10_000
    assert host.texts("api:a")[-1] == "new line"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_takes_nothing_is_told_once_and_tried_again(
    host: Host, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(log_pump, "FIRST_RETRY_SECONDS", 0.01)
    told: list[tuple[str, int | None]] = []
    host.pump.on_trouble = lambda name, error: told.append((name, error.errno))
    disk = FullDisk(monkeypatch, number)
    program = host.attach("api:a", MIB)
    disk.failures_left = 4
    os.write(program.out, b"one\n")
    os.write(program.err, b"two\n")
    await host.until(lambda: disk.failures_left == 0)
    await host.until(lambda: host.store.ring("api:a").end == 2)
    assert told == [("api:a", number)]
    disk.failures_left = 1
    os.write(program.out, b"three\n")
    await host.until(lambda: host.store.ring("api:a").end == 3)
    assert len(told) == 2


async def test_what_a_drain_cannot_write_stays_in_the_fifo(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FullDisk(monkeypatch, errno.EIO)
    program = host.attach("api:a")
    await asyncio.sleep(0.01)
    disk.failures_left = 1000
    os.write(program.out, b"kept\n")
    host.pump.detach("api:a")
    assert "cannot be written" in caplog.text
    await asyncio.sleep(0.1)
    disk.failures_left = 0
    host.attach("api:a")
    await host.until(lambda: host.texts("api:a") == ["kept"])


# --- searches on the loop ---


async def test_a_search_leaves_the_loop_free(host: Host) -> None:
    ring = host.store.ring("api:a", 64 * MIB)
    for number in range(300):
        ring.append(b"a line to look through %d\n" % number * 3000, OUT)
    ring.append(b"needle\n", OUT)
    search = ring.filtered(line_filter(text="NEEDLE", is_case_sensitive=False), 0, 5)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        counting = group.create_task(count_turns())
        await search.run(30)
        counting.cancel()
    assert [line.text for line in search.lines] == ["needle"]
    assert search.matches().next == -1
    assert turns >= 2


async def test_a_regex_that_runs_away_does_not_hold_the_loop(host: Host) -> None:
    ring = host.store.ring("api:a")
    ring.append(b"a" * 40 + b"!\n", OUT)
    search = ring.filtered(line_filter(text="(a+)+$", is_regex=True), 0, 1)
    began = time.monotonic()
    with pytest.raises(Refused, match="too long"):
        await search.run(10)
    assert time.monotonic() - began < 5
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_backward", [False, True])
async def test_a_search_goes_on_where_its_time_ended(host: Host, is_backward: bool) -> None:
    ring = host.store.ring("api:a", 64 * MIB)
    lines = [b"line %d of many" % number for number in range(60_000)]
    ring.append(b"\n".join(lines) + b"\n", OUT)
    found: list[int] = []
    first = (len(lines) - 1) if is_backward else 0
    while first != -1:
        search = short_search(ring, first, is_backward=is_backward)
        search.step(0)
        matches = search.matches()
        found += [line.number for line in matches.lines]
        assert matches.next != first
        first = matches.next
    expected = [number for number in range(60_000) if b"77 of" in lines[number]]
    assert sorted(set(found)) == expected
    assert len(found) == len(expected)


def short_search(ring: Ring, first: int, *, is_backward: bool) -> Search:
    wanted = line_filter(text="77 of")
    return Search(ring, wanted, first, is_backward=is_backward, limit=7)
