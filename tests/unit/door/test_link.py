"""The link to the engine: whole messages, tables beside them, and no waiting."""

import os
import socket

import pytest

from engine.core import doorwire
from engine.core.doorwire import EngineHello, RouteTable, TableIs, Wake
from engine.door.link import Link


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield Link(ours), theirs


def receive(link):
    got = []
    is_open = link.receive(lambda message, table: got.append((message, table)))
    return got, is_open


def send_table(theirs, table, data=None):
    fd = os.memfd_create("table")
    os.write(fd, doorwire.encode(table) if data is None else data)
    socket.send_fds(theirs, [doorwire.encode(TableIs(version=table.version))], [fd])
    os.close(fd)


def test_messages_and_tables(ends):
    link, theirs = ends
    table = RouteTable(version=3, domain="x")
    theirs.send(doorwire.encode(EngineHello(epoch=1)))
    send_table(theirs, table)
    before = len(os.listdir("/proc/self/fd"))
    got, is_open = receive(link)
    assert is_open
    assert got == [(EngineHello(epoch=1), None), (TableIs(version=3), table)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_no_message_is_passed_over(ends, caplog):
    link, theirs = ends
    theirs.send(b"nonsense")
    send_table(theirs, RouteTable(version=3), b"{")
    theirs.send(doorwire.encode(EngineHello(epoch=2)))
    got, is_open = receive(link)
    assert (got, is_open) == ([(EngineHello(epoch=2), None)], True)
    assert len(caplog.records) == 2


def test_a_full_link_says_so(ends):
    link, theirs = ends
    sent = 0
    while link.send(Wake(name="api:a")):
        sent += 1
    assert sent > 10
    assert doorwire.decode_from_door(theirs.recv(1000)) == Wake(name="api:a")
    assert link.send(Wake(name="api:b"))


def test_the_end(ends):
    link, theirs = ends
    theirs.close()
    assert receive(link) == ([], False)
    assert not link.send(Wake(name="api:a"))
