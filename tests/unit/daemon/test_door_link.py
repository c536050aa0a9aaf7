"""Tables out, figures and wakes in, and when an instance is out of use at every door."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core import doorwire as wire
from engine.daemon.door_link import Doors
from engine.door.board import Board
from engine.door.figures import Traffic

_ends: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _close_ends() -> Iterator[None]:
    yield
    while _ends:
        _ends.pop().close()


class Door:
    """A door, played by hand."""

    def __init__(self, doors: Doors, index: int, *, is_new: bool = False) -> None:
        ours, self.end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _ends.append(self.end)
        self.end.setblocking(False)
        doors.add(index, 100 + index, ours, is_new=is_new)

    async def receive(self) -> tuple[wire.EngineMessage, bytes]:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.end, 1 << 18, 1)
            except BlockingIOError:
                await asyncio.sleep(0.001)
                continue
            table = b""
            for fd in fds:
                table = os.pread(fd, os.fstat(fd).st_size, 0)
                os.close(fd)
            return wire.decode_from_engine(data), table

    def say(self, message: wire.DoorMessage) -> None:
        self.end.send(wire.encode(message))

    def greet(self, fd: int) -> None:
        hello = wire.DoorHello(index=0, pid=4242, version=0)
        socket.send_fds(self.end, [wire.encode(hello)], [fd])

    def inflight(self, version: int, **counts: int) -> None:
        stats = {
            name.replace("_", ":"): wire.InstanceStats(inflight=count)
            for name, count in counts.items()
        }
        self.say(wire.Stats(version=version, instances=stats))


class Engine:
    """What the engine's side has heard."""

    def __init__(self) -> None:
        self.wakes: list[str] = []
        self.stats: list[dict[str, wire.InstanceStats]] = []
        self.doors = Doors(self.wakes.append, self.stats.append)


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0.001)


def table(version: int) -> wire.RouteTable:
    services = {f"s{number}": wire.RouteService() for number in range(3000)}
    return wire.RouteTable(version=version, services=services)


async def test_every_door_is_greeted_and_gets_the_newest_table() -> None:
    engine = Engine()
    first = Door(engine.doors, 0)
    greeting, _ = await first.receive()
    assert isinstance(greeting, wire.EngineHello)
    engine.doors.publish(table(7))
    message, data = await first.receive()
    assert message == wire.TableIs(version=7)
    assert wire.decode_table(data) == table(7)
    late = Door(engine.doors, 1)
    await late.receive()
    assert (await late.receive())[0] == wire.TableIs(version=7)
    engine.doors.fail_wake("a:b", "no", 2.0)
    assert (await late.receive())[0] == wire.WakeFailed(name="a:b", reason="no", retry_after=2.0)
    engine.doors.close()


async def test_wakes_and_figures_are_passed_on_and_nonsense_is_not() -> None:
    engine = Engine()
    door = Door(engine.doors, 0)
    door.end.send(b"nonsense")
    door.say(wire.DoorHello(index=0, pid=4242, version=0))
    door.say(wire.Wake(name="a:b"))
    door.inflight(0, a_b=2)
    await until(lambda: engine.stats)
    assert engine.wakes == ["a:b"]
    assert engine.doors.inflight("a:b") == 2
    assert engine.doors.pids() == [4242]
    engine.doors.close()


async def test_drained_means_no_request_at_any_door_under_a_table_that_says_so() -> None:
    engine = Engine()
    one, other = Door(engine.doors, 0), Door(engine.doors, 1)
    one.inflight(5, a_b=1)
    other.inflight(5, a_b=0)
    await until(lambda: len(engine.stats) == 2)
    drained: list[str] = []
    engine.doors.await_drain("a:b", 6, lambda: drained.append("a:b"))
    other.inflight(6)
    one.inflight(6, a_b=1)
    await until(lambda: len(engine.stats) == 4)
    assert drained == []
    one.inflight(6, a_b=0)
    await until(lambda: drained)
    engine.doors.await_drain("a:c", 7, lambda: drained.append("a:c"))
    engine.doors.forget_drain("a:c")
    one.inflight(7)
    other.inflight(7)
    await until(lambda: len(engine.stats) == 7)
    assert drained == ["a:b"]
    engine.doors.close()


async def test_requests_of_a_door_that_died_hold_nothing_up() -> None:
    engine = Engine()
    one = Door(engine.doors, 0)
    one.inflight(5, a_b=1)
    await until(lambda: engine.stats)
    engine.doors.publish(table(6))
    drained: list[str] = []
    engine.doors.await_drain("a:b", 6, lambda: drained.append("a:b"))
    assert drained == []
    Door(engine.doors, 0, is_new=True)
    assert drained == ["a:b"]
    engine.doors.close()


async def test_what_a_door_counts_is_read_and_the_last_of_a_dead_one_too() -> None:
    engine = Engine()
    one, board = Door(engine.doors, 0), Board()
    traffic = Traffic("a:b", lambda: None, board)
    traffic.begin(1.0)
    one.greet(board.fd)
    await until(lambda: engine.doors.inflight("a:b"))
    engine.doors.publish(table(6))
    drained: list[str] = []
    engine.doors.await_drain("a:b", 6, lambda: drained.append("a:b"))
    one.inflight(6)
    traffic.answered(1.0, status=200)
    engine.doors.read()
    assert [stats["a:b"].requests for stats in engine.stats if stats] == [1]
    engine.doors.acknowledge()
    assert drained == []
    traffic.end(2.0)
    one.inflight(6)
    await until(lambda: drained)
    traffic.begin(3.0)
    traffic.answered(1.0, status=500)
    engine.stats.clear()
    Door(engine.doors, 0, is_new=True)
    assert [stats["a:b"].errors for stats in engine.stats] == [1]
    assert engine.doors.inflight("a:b") == 0
    engine.doors.close()
    board.close()


async def test_a_board_that_is_none_is_refused_with_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine()
    door = Door(engine.doors, 0)
    with (Path(__file__)).open("rb") as plain:
        door.greet(plain.fileno())
        await until(lambda: "no memory file" in caplog.text)
    engine.doors.read()
    engine.doors.acknowledge()
    assert engine.stats == []
    engine.doors.close()


async def test_without_doors_everything_is_drained() -> None:
    engine = Engine()
    drained: list[str] = []
    engine.doors.await_drain("a:b", 6, lambda: drained.append("a:b"))
    assert drained == ["a:b"]
