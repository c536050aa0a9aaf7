"""A host and an internet of their own: two network namespaces, a cable, and servers beyond it.

                 engine, doors, instances            who answers with the address it sees
    instance --- host  203.0.113.1 ------- 203.0.113.2  internet: 198.51.100.7, 10.9.9.9, ...
    neighbour ---/     192.168.77.1

What the tests do to "the host" happens there: the real one stays as it is.
"""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from engine.kernel import syscalls
from tests.e2e.engine_run import EngineRun, wait_until
from tests.require import require_program, require_root

T = TypeVar("T")

HOST, GATEWAY = "203.0.113.1", "203.0.113.2"
OUTSIDE, LAN, METADATA = "198.51.100.7", "10.9.9.9", "169.254.169.254"
NEIGHBOUR = "192.168.77.2"
PORT = 7000

ANSWER = """
import socket, threading
def serve(port):
    listening = socket.create_server(("", port), backlog=500)
    while True:
        made, peer = listening.accept()
        made.sendall(f"hello {peer[0]}".encode())
        made.close()
for port in (7000, 53):
    threading.Thread(target=serve, args=(port,)).start()
"""


class Namespace:
    """A network namespace with a program in it that answers at two ports."""

    def __init__(self) -> None:
        command = ["unshare", "--net", sys.executable, "-S", "-c", ANSWER]
        self.process = subprocess.Popen(command)
        self.pid = self.process.pid
        ours = Path("/proc/self/ns/net").stat().st_ino
        wait_until(lambda: Path(f"/proc/{self.pid}/ns/net").stat().st_ino != ours, "it is apart")
        self.run("ip link set lo up")

    def run(self, commands: str) -> str:
        """Run commands there; give what they print."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", "sh", "-ec", commands],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (commands, done.stderr)
        return done.stdout

    def within(self, work: Callable[[], T]) -> T:
        """Do something there, in a thread that goes there and ends."""
        done: list[T] = []
        failed: list[BaseException] = []

        def go() -> None:
            try:
                with open(f"/proc/{self.pid}/ns/net") as file:
                    syscalls.setns(file.fileno(), syscalls.CLONE_NEWNET)
                done.append(work())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return done[0]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class World:
    """The host, the internet, and a neighbour of the host that has it for its gateway."""

    def __init__(self, host: Namespace, internet: Namespace, neighbour: Namespace) -> None:
        self.host, self.internet, self.neighbour = host, internet, neighbour
        host.run(
            f"ip link add up0 type veth peer name up0 netns {internet.pid};"
            f"ip addr add {HOST}/24 dev up0; ip link set up0 up;"
            f"ip link add lan0 type veth peer name lan0 netns {neighbour.pid};"
            "ip addr add 192.168.77.1/24 dev lan0; ip link set lan0 up"
        )
        internet.run(
            f"ip addr add {GATEWAY}/24 dev up0; ip link set up0 up;"
            f"for each in {OUTSIDE} {LAN} {METADATA}; do ip addr add $each/32 dev lo; done;"
            f"ip route add 192.168.77.0/24 via {HOST}"
        )
        neighbour.run(f"ip addr add {NEIGHBOUR}/24 dev lan0; ip link set lan0 up")
        neighbour.run("ip route add default via 192.168.77.1")
        host.run(f"ip route add default via {GATEWAY}")

    def interfaces(self) -> set[str]:
        """Name the engine's interfaces on the host."""
        names = Path(f"/proc/{self.host.pid}/net/dev").read_text().split()
        return {each.rstrip(":") for each in names if each.startswith("ten-")}

    def tables(self) -> list[str]:
        return self.host.run("nft list tables").split("\n")[:-1]

    def forwards(self, name: str) -> bool:
        return self.host.run(f"cat /proc/sys/net/ipv4/conf/{name}/forwarding").strip() == "1"


class EngineThere(EngineRun):
    """An engine on that host."""

    def __init__(self, folder: Path, config: str, world: World) -> None:
        super().__init__(folder, config)
        self.world = world

    def command(self, *arguments: str, doors: int = 1) -> list[str]:
        enter = ["nsenter", f"--net=/proc/{self.world.host.pid}/ns/net"]
        return [*enter, *super().command(*arguments, doors=doors)]

    def visit(
        self, host: str, path: str = "/", timeout: float = 20.0, token: str = ""
    ) -> tuple[int, str]:
        ask = super().visit
        return self.world.host.within(lambda: ask(host, path, timeout, token))


def addresses_inside(run: EngineThere, name: str) -> list[str]:
    pid = run.instance(name)["pid"]
    text = run.world.host.run(f"nsenter --net=/proc/{pid}/ns/net ip -o addr")
    return [line.split()[3] for line in text.splitlines()]


@contextlib.contextmanager
def serving_at(pid: int) -> Iterator[None]:
    """Answer in the network of an instance, on all its addresses."""
    enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    with subprocess.Popen([*enter, sys.executable, "-S", "-c", ANSWER]) as program:
        wait_until(lambda: f":{PORT:04X} " in Path(f"/proc/{pid}/net/tcp").read_text(), "it is up")
        try:
            yield
        finally:
            program.kill()


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Make all of it, and take it away; a test is skipped where that cannot be had."""
    require_root()
    require_program("nft", "nftables")
    require_program("ip", "iproute2")
    with contextlib.ExitStack() as ends:
        made = []
        for _ in range(3):
            made.append(Namespace())
            ends.callback(made[-1].end)
        yield World(*made)
