"""Whose a port is where there are no cgroups: told by the processes below the instance's own."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from engine.core.keeperwire import Blob
from engine.daemon.owners import foreign_listener
from engine.daemon.process import LiveProcess

LISTEN = "import socket; s = socket.create_server(('127.0.0.1', 0));"
LISTEN += "print(s.getsockname()[1], flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LISTEN!r}])"


@contextlib.contextmanager
def instance(code: str, network: str = "") -> Iterator[tuple[LiveProcess, int]]:
    """Run a program without a cgroup; give it and the port that it prints."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline())
        pidfd = os.pidfd_open(program.pid)
        process = LiveProcess((program.pid, program.pid), pidfd, Blob(network=network), None)
        try:
            yield process, port
        finally:
            process.close()
            program.communicate()  # its input ends, and so do its children


def test_it_listens_itself() -> None:
    with instance(LISTEN) as (process, port):
        assert foreign_listener(process, port) == ""


def test_a_child_of_it_listens() -> None:
    with instance(PARENT) as (process, port):
        assert foreign_listener(process, port) == ""


def test_another_program_of_the_same_user_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign, instance(LISTEN) as (process, _):
        port = foreign.getsockname()[1]
        assert f"(pid {os.getpid()})" in foreign_listener(process, port)
        assert f"port {port} is listened on by another program" in foreign_listener(process, port)


def test_a_network_of_its_own_has_no_strangers() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as foreign,
        instance(LISTEN, network="private") as (process, _),
    ):
        assert foreign_listener(process, foreign.getsockname()[1]) == ""


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with instance(LISTEN) as (process, _):
        assert foreign_listener(process, port) == ""
