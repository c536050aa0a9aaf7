"""What is silent for longer than every time limit is not cut: a stream lasts as long as it does."""

import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.engine_run import EngineRun
from tests.e2e.patient import PAUSE_SECONDS

Make = Callable[[str], EngineRun]

PROGRAM = Path(__file__).parent / "patient.py"
CONFIG = f"""
[settings.door]
head_timeout = 1
idle_timeout = 1
slow_timeout = 1

[service.patient]
command = "{sys.executable} -S {PROGRAM}"
isolation = "process"
request_timeout = 1
idle_timeout = 1
drain = 0.5
stop_grace = 1
"""


def events(run: EngineRun, found: list[tuple[float, bytes]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=30)
    connection.request("GET", "/events", headers={"Host": "x.patient.localhost"})
    answer = connection.getresponse()
    while data := answer.read1():
        found.append((time.monotonic(), data))
    connection.close()


def test_neither_a_stream_nor_a_tunnel_is_cut_for_its_silence(make_engine: Make) -> None:
    run = make_engine(CONFIG)
    run.start()
    assert run.visit("x.patient", "/")[0] == 200, "it is woken"
    pid = run.instance("patient:x")["pid"]
    found: list[tuple[float, bytes]] = []
    stream = threading.Thread(target=events, args=(run, found))
    stream.start()
    with socket.create_connection(("127.0.0.1", run.port), timeout=30) as tunnel:
        head = "GET /t HTTP/1.1\r\nHost: x.patient.localhost\r\nConnection: upgrade\r\n"
        tunnel.sendall(f"{head}Upgrade: echo\r\n\r\n".encode())
        assert b" 101 " in tunnel.recv(4096)
        time.sleep(2 * PAUSE_SECONDS + 1)
        tunnel.sendall(b"still there\n")
        assert tunnel.recv(100) == b"still there\n"
        stream.join()
    assert b"".join(data for _, data in found) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert found[-1][0] - found[0][0] > 2 * PAUSE_SECONDS - 1
    assert run.instance("patient:x")["pid"] == pid, "it was not put to sleep meanwhile"
    run.wait_state("patient:x", "asleep")
