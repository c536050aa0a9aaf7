"""A real keeper, driven from a test that plays its engine."""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PYTHON_REAPER = ("env", "TEN_REAPER=python")
both_reapers = pytest.mark.parametrize(
    "kept", [(), PYTHON_REAPER], ids=["native", "python"], indirect=True
)

ROOT = Path(__file__).parents[2]
SECONDS = 10.0


@dataclass
class Told:
    """A message of the keeper and what came with it."""

    message: dict[str, object]
    fds: list[int] = field(default_factory=list)

    def __getitem__(self, key: str) -> object:
        return self.message[key]

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


class Played:
    """One life of the engine: what it was told at its start, and a way to give orders."""

    def __init__(self, door: socket.socket) -> None:
        """Take the end of the link from the process that stands for the engine."""
        door.settimeout(SECONDS)
        raw = door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid = int.from_bytes(raw[:4], sys.byteorder)
        _, fds, _, _ = socket.recv_fds(door, 16, 1)
        door.close()
        self.link = socket.socket(fileno=fds[0])
        self.link.settimeout(SECONDS)
        self.inbox: list[Told] = []
        self.seq = 0
        self.greeting: list[Told] = []
        while not self.greeting or self.greeting[-1]["type"] != "ready":
            self.greeting.append(self.take())

    def take(self) -> Told:
        data, fds, _, _ = socket.recv_fds(self.link, 1 << 20, 253)
        if not data:
            raise EOFError("the engine's link has ended")
        return Told(json.loads(data), fds)

    def order(self, op: str, **fields: object) -> int:
        self.seq += 1
        message = {"op": op, "seq": self.seq} | fields
        self.link.send(json.dumps(message).encode())
        return self.seq

    def find(self, type_: str, **fields: object) -> Told:
        """Wait for a message with these fields; others are kept for later."""
        wanted = {"type": type_} | fields
        deadline = time.monotonic() + SECONDS
        while True:
            for told in self.inbox:
                if wanted.items() <= told.message.items():
                    self.inbox.remove(told)
                    return told
            assert time.monotonic() < deadline, f"no {wanted}; there is {self.inbox}"
            self.inbox.append(self.take())

    def spawn(
        self, name: str, plan: list[list[object]], cgroup: str = "", blob: object = None
    ) -> Told:
        seq = self.order("spawn", name=name, plan=plan, cgroup=cgroup, blob=blob or {})
        return self.find("reply", re=seq)

    def close(self) -> None:
        for told in [*self.greeting, *self.inbox]:
            told.close()
        self.link.close()


class Host:
    """A data directory and its keeper."""

    def __init__(self, data_dir: Path, *, prefix: Sequence[str] = (), doors: int = 0) -> None:
        self.data_dir = data_dir
        self.prefix = list(prefix)
        self.doors = doors
        self.python = [sys.executable]
        self.root = ROOT
        self.lives: list[Played] = []
        self.keeper: subprocess.Popen[bytes] | None = None
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.address = data_dir.parent / "test.sock"
        self.listening.bind(str(self.address))
        self.address.chmod(0o777)
        self.listening.listen(8)
        self.listening.settimeout(SECONDS)

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    def start(self, *options: str, port: int = 0, bind: str = "127.0.0.1") -> Played:
        self.launch(*options, port=port, bind=bind)
        return self.next_life()

    def launch(self, *options: str, port: int = 0, bind: str = "127.0.0.1") -> None:
        command = [*self.prefix, *self.python, "-P", "-m", "engine.keeper"]
        command += ["--data-dir", str(self.data_dir), "--bind", bind, "--port", str(port)]
        command += ["--doors", str(self.doors), "--engine-command", "-m tests.kernel.played"]
        self.keeper = subprocess.Popen(
            [*command, *options],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root), "TEN_TEST_SOCKET": str(self.address)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def next_life(self) -> Played:
        """Wait for the engine to be started (again)."""
        link, _ = self.listening.accept()
        self.lives.append(Played(link))
        return self.lives[-1]

    def stop(self, number: int = signal.SIGTERM) -> str:
        """End the keeper and give what it wrote."""
        assert self.keeper is not None
        self.keeper.send_signal(number)
        return self.wait()

    def wait(self) -> str:
        assert self.keeper is not None
        output, _ = self.keeper.communicate(timeout=60)
        return output.decode()

    def close(self) -> None:
        if self.keeper is not None and self.keeper.poll() is None:
            self.keeper.send_signal(signal.SIGTERM)
            with contextlib.suppress(OSError, IndexError, EOFError, AssertionError):
                self.lives[-1].find("shutdown")
                self.lives[-1].order("shutdown_done")
            self.wait()
        for life in self.lives:
            life.close()
        self.listening.close()


@contextlib.contextmanager
def host(folder: Path, **options: object) -> Iterator[Host]:
    made = Host(folder / "data", **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def shell(script: str, *before: list[object]) -> list[list[object]]:
    """Plan to run a shell script after some steps."""
    env = {"PATH": os.environ["PATH"]}
    return [*before, ["exec", "/bin/sh", ["sh", "-c", script], env]]


def read_all(fd: int, seconds: float = 2.0, until: bytes = b"") -> bytes:
    """Read a FIFO until some text has come, or for a time."""
    found = b""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while time.monotonic() < deadline and not (until and until in found):
            if selector.select(0.05):
                found += os.read(fd, 65536)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: object, seconds: float = SECONDS) -> None:
    """Wait until a callable is true."""
    deadline = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
