"""Who listens on a port: sockets of this very process and of another."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kernel.listeners import listeners_on, owners_of, strangers_among, uid_of_connection

CHILD = "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
CHILD += "print(s.getsockname()[1], flush=True); sys.stdin.read()"


@contextlib.contextmanager
def child() -> Iterator[tuple[int, int]]:
    """Listen in another process; give its pid and port."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_a_socket_that_is_reached_by_the_loopback(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as own:
        if family is socket.AF_INET6:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        own.bind((host, 0))
        own.listen()
        found = listeners_on(own.getsockname()[1])
        assert [one.inode for one in found] == [os.fstat(own.fileno()).st_ino]
        assert found[0].uid == os.geteuid()
        assert strangers_among(found, [os.getpid()]) == []
        assert owners_of(found[0].inode)[0][0] == os.getpid()


def test_one_that_is_not() -> None:
    with socket.create_server(("127.0.0.2", 0)) as elsewhere:
        assert listeners_on(elsewhere.getsockname()[1]) == []
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        assert listeners_on(other.getsockname()[1]) == []


def test_nobody_listens_any_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
    assert listeners_on(port) == []


def test_anothers_is_a_strangers() -> None:
    with child() as (pid, port):
        found = listeners_on(port)
        assert strangers_among(found, [os.getpid()]) == found
        assert strangers_among(found, [pid]) == []
        assert strangers_among(found, [os.getpid(), pid, 2**22]) == []
        assert pid in dict(owners_of(found[0].inode))


def test_two_that_share_a_port_are_both_seen() -> None:
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        one.listen()
        two.bind(one.getsockname())
        two.listen()
        assert len(listeners_on(one.getsockname()[1])) == 2


def test_whose_a_connection_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = server.getsockname()
        with socket.create_connection(there) as sock:
            here = sock.getsockname()
            assert uid_of_connection(here, there) == os.geteuid()
            assert uid_of_connection(here, (there[0], here[1])) is None
            # Nobody is connected from there, though somebody listens.
            assert uid_of_connection(there, ("127.0.0.1", 1)) is None
            sock.shutdown(socket.SHUT_WR)
            assert uid_of_connection(here, there) is None
        assert uid_of_connection(here, there) is None


def test_a_file_of_too_long_a_path_hides_no_socket(tmp_path: Path) -> None:
    """Which is how a program could keep its sockets from being looked at."""
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=place)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    try:
        with pytest.raises(OSError, match="too long"):
            os.readlink(f"/proc/self/fd/{place}")
        with socket.create_server(("127.0.0.1", 0)) as own:
            found = listeners_on(own.getsockname()[1])
            assert strangers_among(found, [os.getpid()]) == []
            assert owners_of(found[0].inode)[0][0] == os.getpid()
    finally:
        os.close(place)
        shutil.rmtree(tmp_path / ("d" * 250))
