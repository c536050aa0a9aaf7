"""Requests a second and p99 of the door against the peer's own program and HAProxy, in one run.

All carry the same load (wrk, keep-alive) to the same small server. wrk and haproxy are Debian's;
without the latter its rows are left out. The peer is the program TEN_PEER names, else what
`pip install tenement==0.2.2` brings into an environment of its own under .cache/peer.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.door_rig import ROOT, DoorRig, instance

if TYPE_CHECKING:
    from collections.abc import Iterator

PEER = "tenement==0.2.2"
HOST = "a.web.localhost"

SIZES = {"60 B": "/", "64 kB": "/64k"}
CONNECTIONS = (1, 64, 256)

SERVER = """
import asyncio, os, sys, uvloop
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: %d\\r\\n\\r\\n"
SMALL, LARGE = (HEAD % size + b"x" * size for size in (60, 65536))
class Say(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        answer = LARGE if data.startswith(b"GET /64k") else SMALL
        self.transport.write(answer * data.count(b"\\r\\n\\r\\n"))
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Say, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()
uvloop.run(main())
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    rate: float
    p99_ms: float
    failed: int

    def better_of(self, other: Load) -> Load:
        """Take the better figures of two measurements, and the failures of both."""
        rate, p99_ms = max(self.rate, other.rate), min(self.p99_ms, other.p99_ms)
        return Load(rate, p99_ms, self.failed + other.failed)


def main() -> int:
    """Measure and print a table; 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="bench_door", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="length of each measurement")
    parser.add_argument(
        "--rounds", type=int, default=3, help="measurements of each; the best figures count"
    )
    parser.add_argument(
        "--connections", type=int, nargs="*", default=CONNECTIONS, help="at once [1 64 256]"
    )
    given = parser.parse_args()
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is missing: apt-get install wrk")
        return 2
    peer = find_peer()
    if peer is None:
        return 2
    print(f"{os.cpu_count()} cores, {given.seconds} s a measurement, best of {given.rounds}")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "server.py").write_text(SERVER)
        ours = stack.enter_context(doors(folder, os.cpu_count() or 1))
        one = stack.enter_context(doors(folder, 1))
        theirs = stack.enter_context(peers(folder, peer))
        programs = {"peer": theirs, "door x 1": one, f"door x {os.cpu_count()}": ours}
        programs |= stack.enter_context(haproxies(folder, (1, os.cpu_count() or 1)))
        show(*COLUMNS)
        for size, path in SIZES.items():
            for connections in given.connections:
                urls = {name: url + path[1:] for name, url in programs.items()}
                compare(wrk, urls, f"{connections} x {size}", connections, given)
    return 0


def compare(
    wrk: str, programs: dict[str, str], load_name: str, connections: int, given: argparse.Namespace
) -> None:
    """Measure all in turns, so that what else the machine does meets all alike."""
    best: dict[str, Load] = {}
    before = os.getloadavg()[0]
    for _ in range(given.rounds):
        for name, url in programs.items():
            load = measure(wrk, url, connections, given.seconds)
            best[name] = load if name not in best else best[name].better_of(load)
    base = best["peer"]
    for name, load in best.items():
        rival = best.get(name.replace("door", "haproxy"))
        is_door = name.startswith("door")
        show(
            load_name,
            name,
            f"{load.rate:,.0f}",
            f"{load.p99_ms:.2f}",
            load.failed,
            f"{load.rate / base.rate:.2f}",
            f"{load.p99_ms / base.p99_ms:.2f}",
            f"{load.rate / rival.rate:.2f}" if rival and is_door else "",
        )
    print(f"(load average before: {before:.1f})", flush=True)


COLUMNS = (
    "connections",
    "program",
    "requests/s",
    "p99 ms",
    "failed",
    "rate : peer",
    "p99 : peer",
    "rate : HAProxy",
)


def show(*columns: object) -> None:
    """Print a row."""
    widths = (13, 13, 12, 9, 8, 13, 12, 16)
    print("".join(str(text).rjust(width) for text, width in zip(columns, widths, strict=True)))


def measure(wrk: str, url: str, connections: int, seconds: int) -> Load:
    """Run wrk once."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", f"Host: {HOST}"]
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    errors = re.search(r"Socket errors: (.*)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    failed = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    return Load(
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),  # type: ignore[index]
        p99_ms=float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit],
        failed=failed + (int(bad[1]) if bad else 0),
    )


def find_peer() -> str | None:
    """Give the peer's program; make its environment where that is possible."""
    named = os.environ.get("TEN_PEER")
    if named:
        return named
    folder = ROOT / ".cache" / "peer"
    program = folder / "bin" / "ten"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        if subprocess.run([*pip, "install", PEER], check=False).returncode:
            print(f"the peer cannot be installed: set TEN_PEER to its program ({PEER})")
            return None
    return str(program)


def free_port() -> int:
    """Give a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int, host: str) -> str:
    """Wait until a host answers with 200 there; give the URL."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as sock:
            sock.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            if sock.recv(100).split(b" ")[1:2] == [b"200"]:
                return f"http://127.0.0.1:{port}/"
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


HAPROXY = """
global
  nbthread {threads}
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend door
  bind 127.0.0.1:{front}
  default_backend app
backend app
  server a 127.0.0.1:{back}
"""


@contextlib.contextmanager
def haproxies(folder: Path, counts: tuple[int, ...]) -> Iterator[dict[str, str]]:
    """Run HAProxy with so many threads each, before a server of their own; none where it is not."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        print("haproxy is missing, its rows are left out: apt-get install haproxy")
        yield {}
        return
    back = free_port()
    running = [
        subprocess.Popen(
            [sys.executable, folder / "server.py"], env={**os.environ, "PORT": str(back)}
        )
    ]
    try:
        wait_for(back, "x")
        urls = {}
        for threads in counts:
            front = free_port()
            file = folder / f"haproxy{threads}.cfg"
            file.write_text(HAPROXY.format(threads=threads, front=front, back=back))
            running.append(subprocess.Popen([program, "-q", "-db", "-f", file]))
            urls[f"haproxy x {threads}"] = wait_for(front, HOST)
        yield urls
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def doors(folder: Path, count: int) -> Iterator[str]:
    """Run door workers on one socket, and a server behind them."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, folder / "server.py"], env={**os.environ, "PORT": str(port)}
    )
    rigs = []
    try:
        wait_for(port, "x")
        listener = None
        for _ in range(count):
            rigs.append(DoorRig(folder, listener=listener))
            listener = rigs[0].listener
            rigs[-1].service_of("web", a=instance(port))
        yield wait_for(rigs[0].port, HOST)
    finally:
        for rig in rigs:
            rig.close()
        server.kill()
        server.wait()


@contextlib.contextmanager
def peers(folder: Path, program: str) -> Iterator[str]:
    """Run the peer as its users do, with the same server as its instance."""
    port = free_port()
    (folder / "tenement.toml").write_text(
        f'[settings]\ndata_dir = "{folder}/peer"\n'
        f'[service.web]\ncommand = "{sys.executable} {folder}/server.py"\n'
        'isolation = "process"\nhealth = "/"\n[instances]\nweb = ["a"]\n'
    )
    process = subprocess.Popen(
        [program, "serve", "-p", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield wait_for(port, HOST)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
