"""Network namespaces of instances, and sockets out of them, as root and as an ordinary user."""

import contextlib
import errno
import json
import os
import socket
import struct
from pathlib import Path

import pytest

from engine.core.network import Network
from tests import nets
from tests.kernel.conftest import Planner
from tests.kernel.harness import Host, Played, Told, host, read_all, wait_for
from tests.kernel.test_namespace import (
    _users_plan,
    users,  # noqa: F401 - a fixture
)
from tests.nets import namespace_of
from tests.require import require_root

pytestmark = pytest.mark.kernel

SERVE = """
exec python3 -S -c '
import os, socket
s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("up", socket.if_nameindex(), flush=True)
while True:
    s.accept()[0].sendall(b"hello")
'"""


def connect(fd: int, port: int) -> bytes:
    with socket.socket(fileno=fd) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", port))
        return sock.recv(100)


def test_a_private_network_has_its_loopback_and_is_reached_by_the_keepers_sockets(
    engine: Played, planned: Planner
) -> None:
    require_root()
    told = engine.spawn("api:x", planned(SERVE, network=Network.PRIVATE))
    assert told["ok"], told
    assert read_all(told.fds[1], until=b"]\n") == b"up [(1, 'lo')]\n"
    assert namespace_of(int(str(told["main_pid"]))) != namespace_of()
    reply = sockets(engine, told)
    assert [connect(fd, 31234) for fd in reply.fds] == [b"hello"] * 2
    reply.fds.clear()
    with socket.socket() as ours, pytest.raises(ConnectionRefusedError):
        ours.connect(("127.0.0.1", 31234))


def sockets(engine: Played, told: Told) -> Told:
    seq = engine.order("sockets", pid=told["pid"], count=2, family="inet")
    reply = engine.find("reply", re=seq)
    assert (reply["ok"], len(reply.fds)) == (True, 2), reply
    return reply


def test_a_plan_names_the_steps(planned: Planner) -> None:
    steps = planned("true", network=Network.PRIVATE)
    assert "net" in next(step for step in steps if step[0] == "unshare")[1]  # type: ignore[operator]
    assert ["loopback", 31234] in steps
    assert "loopback" not in [step[0] for step in planned("true")]


def test_ordinary_users_instances_have_private_networks_too(
    users: Host,  # noqa: F811
) -> None:
    engine = users.start()
    plan = _users_plan(users, SERVE.replace('os.environ["PORT"]', "31234"), "namespace", "private")
    told = engine.spawn("api:x", plan)
    assert told["ok"], told
    assert read_all(told.fds[1], until=b"]\n") == b"up [(1, 'lo')]\n"
    reply = sockets(engine, told)
    assert [connect(fd, 31234) for fd in reply.fds] == [b"hello"] * 2
    reply.fds.clear()
    assert users.keeper is not None
    users.keeper.kill()
    users.wait()
    life = users.start()
    held = next(each for each in life.greeting if each["type"] == "instance")
    assert held["pid"] == told["pid"]
    reply = sockets(life, told)
    assert [connect(fd, 31234) for fd in reply.fds] == [b"hello"] * 2
    reply.fds.clear()


# What a door asks the keeper for.


def ask(door: socket.socket, told: Told, count: int, start_ticks: int = 0) -> Told:
    ticks = start_ticks or int(str(told["start_ticks"]))
    door.send(struct.pack("=IQI", told["pid"], ticks, count))
    data, fds, _, _ = socket.recv_fds(door, 1000, 253)
    return Told(json.loads(data), fds)


def supply_of(kept: Host, engine: Played) -> socket.socket:
    """Take the link to the keeper out of the door's process, which only waits."""
    pid = int(str(engine.find("door", index=0)["pid"]))
    # Changed after the descriptors are in their places.
    wait_for(lambda: os.readlink(f"/proc/{pid}/cwd") == str(kept.run / "door"))
    return socket.socket(fileno=nets.take_fd(pid, 5))


def test_a_door_is_given_sockets_of_the_process_it_names(tmp_path: Path) -> None:
    require_root()
    with host(tmp_path, doors=1) as kept:
        engine = kept.start()
        plan = [
            ["setsid"],
            ["unshare", ["net"]],
            ["loopback", 80],
            ["exec", "/bin/sleep", ["sleep", "99"], {}],
        ]
        told = engine.spawn("a:b", plan)
        door = supply_of(kept, engine)
        door.settimeout(5)
        with door:
            answer = ask(door, told, 3)
            assert ("errno" in answer.message, len(answer.fds)) == (False, 3)
            inside = namespace_of(int(str(told["pid"])))
            assert {nets.of_socket(fd) for fd in answer.fds} == {inside} != {namespace_of()}
            answer.close()
            # Another process with this number is another process.
            other = ask(door, told, 3, start_ticks=1)
            assert (other["errno"], other.fds) == (errno.ESRCH, [])
            more = ask(door, told, 250)
            assert len(more.fds) == 64
            more.close()
            # What is no request at all is passed over, and harms nothing.
            door.send(b"what")
            again = ask(door, told, 1)
            assert len(again.fds) == 1
            again.close()


def test_a_door_that_reads_nothing_cannot_have_the_keeper_pile_up_sockets(tmp_path: Path) -> None:
    require_root()
    with host(tmp_path, doors=1) as kept:
        engine = kept.start()
        plan = [["setsid"], ["unshare", ["net"]], ["exec", "/bin/sleep", ["sleep", "99"], {}]]
        told = engine.spawn("a:b", plan)
        with supply_of(kept, engine) as door:
            door.setblocking(False)
            request = struct.pack("=IQI", told["pid"], told["start_ticks"], 64)
            for _ in range(2000):
                with contextlib.suppress(BlockingIOError):
                    door.send(request)
            assert engine.spawn("a:c", [["exec", "/bin/true", ["true"], {}]])["ok"]
            assert kept.keeper is not None
            held = len(os.listdir(f"/proc/{kept.keeper.pid}/fd"))
            assert held < 1000
            given = 0
            while True:
                try:
                    fds = socket.recv_fds(door, 1000, 253)[1]
                except BlockingIOError:
                    break
                given += len(fds)
                for fd in fds:
                    os.close(fd)
            assert 0 < given < 10_000
