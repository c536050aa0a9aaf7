"""A foreign listener on an instance's port never gets its traffic.

Of engine.daemon.owners.
"""

import shlex
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

NEVER_LISTENS = shlex.join([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])

CONFIG = f"""
[service.late]
command = "{NEVER_LISTENS}"
isolation = "process"
startup_timeout = 3
restart = "never"
LATE_HEALTH

[service.forks]
command = "/bin/sh -c 'setsid {TENANT} & wait'"
isolation = "process"
health = "/health"
"""

Make = Callable[[str], EngineRun]


class Foreign(threading.Thread):
    """Listens where an instance should, and is as friendly as can be."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.heads: list[bytes] = []

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                self.heads.append(sock.recv(65536))
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(5)


@pytest.mark.parametrize("health", ['health = "/health"', ""], ids=["by HTTP", "by connect"])
def test_a_foreign_listener_gets_nothing(make_engine: Make, health: str) -> None:
    run = make_engine(CONFIG.replace("LATE_HEALTH", health))
    run.start()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(run.visit, "x.late", "/secret")
        port = wait_until(lambda: run.instance("late:x").get("port"), "it has a port")
        foreign = Foreign(port)
        foreign.start()
        try:
            assert asking.result(20)[0] == 503
        finally:
            foreign.stop()
    assert not any(b"secret" in head for head in foreign.heads)
    assert foreign.heads, "the prober has seen it"
    reason = f"port {port} is listened on by another program: "
    assert any(reason in event["text"] for event in run.events()), run.events()


def test_one_that_listens_in_a_child_of_its_own_session(make_engine: Make) -> None:
    run = make_engine(CONFIG.replace("LATE_HEALTH", ""))
    run.start()
    assert run.visit("x.forks")[0] == 200
