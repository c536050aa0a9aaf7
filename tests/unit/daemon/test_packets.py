"""Whole messages with descriptors, in order, whatever the other side does."""

import asyncio
import os
import socket

import pytest

from engine.daemon.packets import MAX_PACKET, PacketLink, PacketTooLarge, close_all


class Side:
    """What one end has seen."""

    def __init__(self, end: socket.socket) -> None:
        self.got: list[tuple[bytes, list[int]]] = []
        self.has_ended = asyncio.Event()
        self.is_clear = asyncio.Event()
        self.link = PacketLink(
            end,
            on_packet=lambda data, fds: self.got.append((data, fds)),
            on_end=self.has_ended.set,
            on_clear=self.is_clear.set,
        )


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


async def until(claim: object) -> None:
    async with asyncio.timeout(5):
        while not claim():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_messages_come_whole_and_in_order_with_their_descriptors() -> None:
    ours, theirs = pair()
    one, other = Side(ours), Side(theirs)
    read, write = os.pipe()
    for number in range(300):
        one.link.send(b"%d" % number, [read] if number == 7 else [])
    await until(lambda: len(other.got) == 300)
    assert [data for data, _ in other.got] == [b"%d" % number for number in range(300)]
    ((_, (copy,)),) = [each for each in other.got if each[1]]
    os.write(write, b"x")
    assert os.read(copy, 1) == b"x"
    assert not os.get_inheritable(copy)
    close_all([copy, read, write])
    one.link.close()
    await other.has_ended.wait()
    assert not other.link.is_open


async def test_a_slow_reader_loses_nothing_and_blocks_nobody() -> None:
    ours, theirs = pair()
    one = Side(ours)
    body = b"x" * 100_000
    for _ in range(200):
        one.link.send(body)
    assert not one.link.is_clear
    other = Side(theirs)
    await until(lambda: len(other.got) == 200)
    async with asyncio.timeout(5):
        await one.is_clear.wait()
        await one.link.flush()
    one.link.close()
    other.link.close()


async def test_a_message_that_is_too_large_is_refused() -> None:
    ours, theirs = pair()
    one = Side(ours)
    with theirs, pytest.raises(PacketTooLarge):
        one.link.send(b"x" * (MAX_PACKET + 1))
    one.link.close()


async def test_the_end_of_the_other_side_is_told_once_and_sending_goes_nowhere() -> None:
    ours, theirs = pair()
    one = Side(ours)
    theirs.close()
    await one.has_ended.wait()
    one.link.send(b"x")
    await one.link.flush()
    assert one.got == []
