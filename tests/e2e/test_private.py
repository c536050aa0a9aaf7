"""Instances with `network = "private"`: out of everybody's reach, and served all the same."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.nets import foreign, namespace_of
from tests.require import require_program, require_root

GUEST = f"{sys.executable} -S {Path(__file__).parent / 'guest.py'}"

CONFIG = f"""
[settings]
health_check_interval = 1

[service.web]
command = "{GUEST} --inet6"
network = "private"
health = "/health"
stop_grace = 1

[service.low]
command = "{GUEST}"
network = "private"
port = 80

[service.sleepy]
command = "{GUEST}"
network = "private"
idle_timeout = 1

[instances]
web = ["a", "b"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def run(make_engine: Make) -> EngineRun:
    require_root()
    made = make_engine(CONFIG)
    made.start()
    for name in ("web:a", "web:b"):
        made.wait_state(name, "healthy")
    return made


def who(run: EngineRun, host: str) -> dict[str, object]:
    status, body = run.visit(host, "/who")
    assert status == 200, body
    found: dict[str, object] = json.loads(body)
    return found


def ours(run: EngineRun) -> list[int]:
    """Give keeper, engine and doors."""
    keeper = run.pid("keeper")
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in children}
    return [keeper, *(int(pid) for pid, name in names.items() if "ten-init" not in name)]


def test_two_on_one_port_are_served_and_unreachable(run: EngineRun) -> None:
    for ident in "ab":
        assert who(run, f"{ident}.web")["who"] == ident
        assert who(run, f"{ident}.web")["interfaces"] == ["lo"]
        assert run.instance(f"web:{ident}")["port"] == 8080
        assert run.instance(f"web:{ident}")["network"] == "private"
    a, b = (namespace_of(run.instance(f"web:{ident}")["pid"]) for ident in "ab")
    assert len({a, b, namespace_of()}) == 3
    with pytest.raises(ConnectionRefusedError), socket.socket() as direct:
        direct.connect(("127.0.0.1", 8080))


def test_its_address_is_said_to_be_private(run: EngineRun) -> None:
    assert run.spawn("web:a")[1]["address"] == "private:8080"
    _, body = run.request("GET", "/api/instances")
    assert {one["id"]: one["socket"] for one in json.loads(body)} == {
        "web:a": "private:8080",
        "web:b": "private:8080",
    }


def test_an_instance_reaches_itself_and_nobody_else(run: EngineRun) -> None:
    with socket.create_server(("0.0.0.0", 0)) as hosts:
        port = hosts.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass  # whoever is on the host reaches it
        assert "Connection refused" in run.visit("a.web", f"/dial/127.0.0.1/{port}")[1]
        for address in ("198.51.100.1", "10.0.0.1", "169.254.169.254", "fe80::1"):
            answer = run.visit("a.web", f"/dial/{address}/{port}")[1]
            assert "unreachable" in answer or "Invalid argument" in answer, (address, answer)
    # Each connects to a server of its own behind the same numbers, also by IPv6.
    for host in ("127.0.0.1", "::1"):
        assert run.visit("a.web", f"/dial/{host}/8080")[1].startswith("failed timed out")


def test_a_port_below_1024_needs_no_privilege(run: EngineRun) -> None:
    assert run.spawn("low:x")[0] == 200
    run.wait_state("low:x", "healthy")
    assert run.instance("low:x")["port"] == 80
    assert who(run, "x.low")["who"] == "x"


def test_streams_and_upgrades_go_through_the_door(run: EngineRun) -> None:
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", run.port), 10) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: a.web.localhost\r\n\r\n")
        got = b""
        while b"piece 0" not in got:
            got += client.recv(1000)
        assert time.monotonic() - begin < 0.4
        while b"0\r\n\r\n" not in got:
            got += client.recv(1000)
    with socket.create_connection(("127.0.0.1", run.port), 10) as client:
        client.sendall(
            b"GET /upgrade HTTP/1.1\r\nHost: b.web.localhost\r\n"
            b"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        )
        got = b""
        while b"\r\n\r\n" not in got:
            got += client.recv(1000)
        assert got.startswith(b"HTTP/1.1 101 ")
        for word in (b"one", b"two"):
            client.sendall(word)
            assert client.recv(100) == word.upper()


def load(run: EngineRun, ident: str, seconds: int) -> subprocess.Popen[str]:
    """Ask for what closes its connection, so that each request needs a new one inside."""
    wrk = require_program("wrk")
    host = f"Host: {ident}.web.localhost"
    url = f"http://127.0.0.1:{run.port}/close"
    command = [wrk, "-t1", "-c8", f"-d{seconds}s", "-H", host, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(120)
def test_engine_killed_while_new_connections_are_needed_fails_no_request(run: EngineRun) -> None:
    before = {name: run.instance(name)["pid"] for name in ("web:a", "web:b")}
    loads = [load(run, ident, 10) for ident in "ab"]
    for _ in range(3):
        time.sleep(1)
        engine = run.pid("engine")
        os.kill(engine, signal.SIGSTOP)  # away for longer than any reserve lasts
        time.sleep(1)
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda old=engine: run.pid("engine") not in {0, old}, "another engine")
        wait_until(run.answers, "it answers")
    for each in loads:
        output = each.communicate(timeout=60)[0]
        assert "Socket errors" not in output, output
        assert "Non-2xx" not in output, output
        assert int(re.search(r"(\d+) requests in", output)[1]) > 1000, output  # type: ignore[index]
    assert before == {name: run.instance(name)["pid"] for name in before}
    assert all(run.instance(name).get("restarts", 0) == 0 for name in before)


def test_a_new_keeper_finds_the_networks_again(run: EngineRun) -> None:
    before = {name: run.instance(name)["pid"] for name in ("web:a", "web:b")}
    run.kill_keeper()
    run.start()
    for name, pid in before.items():
        run.wait_state(name, "healthy")
        assert run.instance(name)["pid"] == pid
        assert who(run, f"{name[-1]}.web")["who"] == name[-1]
    # Health is still seen from outside: one that answers no more is noticed.
    os.kill(before["web:b"], signal.SIGSTOP)
    run.wait_state("web:b", "degraded", "unhealthy", seconds=20)
    os.kill(before["web:b"], signal.SIGCONT)
    run.wait_state("web:b", "healthy", seconds=20)


def test_wake_restart_and_stop_leave_no_network(run: EngineRun) -> None:
    for _ in range(3):
        assert who(run, "x.sleepy")["who"] == "x"
        run.wait_state("sleepy:x", "asleep")
    assert run.restart("web:a")[0] == 200
    wait_until(lambda: run.visit("a.web")[0] == 200, "it serves again")
    mine = {namespace_of(run.instance(f"web:{ident}")["pid"]) for ident in "ab"}
    assert len(mine) == 2
    wait_until(lambda: foreign(ours(run)) <= mine, "no other network is held")
    for ident in "ab":
        assert run.stop_instance(f"web:{ident}") == 204
    wait_until(lambda: not foreign(ours(run)), "no network is held")


def test_networks_are_changed_by_a_restart(run: EngineRun) -> None:
    pid = run.instance("web:a")["pid"]
    run.config.write_text(CONFIG.replace("--inet6", "", 1).replace("port = 80\n", "port = 81\n"))
    wait_until(lambda: run.instance("web:a").get("pid", pid) not in {0, pid}, "restarted")
    text = CONFIG.replace('network = "private"\nhealth', 'network = "host"\nhealth')
    run.config.write_text(text.replace("--inet6", ""))
    wait_until(lambda: run.instance("web:a").get("port", 0) > 29999, "it has a port of the host")
    run.wait_state("web:a", "healthy")
    assert namespace_of(run.instance("web:a")["pid"]) == namespace_of()
    assert who(run, "a.web")["who"] == "a"
