"""The Autobahn suite's WebSocket client against an echo server, straight and through the door.

It has to come out the same case by case: what the door carries is not for it to change. (That a
frame was understood before the next one is refused is told as NON-STRICT where the refusal came
first: the server's own race, straight too, so it is no difference.) The
suite (`pip install autobahntestsuite==25.10.1`) runs under Python 2.7 only: the program that
TEN_PYTHON2 names, or `python2.7`; it is kept under .cache/autobahn. The server is Debian's
`python3-websockets`. Cases 9 (sizes and times) are left out unless asked for, 12 and 13
(compression) are the end points' affair.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.doorwire import RouteRules, RouteService
from tests.bench.bench_door import free_port
from tests.e2e.door_rig import ROOT, DoorRig, instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "autobahntestsuite==25.10.1"
START = "import site; site.addsitedir({site!r}); from autobahntestsuite.wstest import run; run()"
NAMES = ("straight", "door")

SERVER = """
import asyncio, sys, websockets
async def echo(socket, path=None):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=2**26,
                                compression=None):
        print("ready", flush=True)
        await asyncio.Future()
asyncio.run(main())
"""


def main() -> int:
    """Compare; 1 where a case differs, 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="check_autobahn", description=__doc__)
    parser.add_argument("--cases", nargs="*", default=["*"], help="such as 1.* 7.1.1 [all]")
    parser.add_argument("--large", action="store_true", help="with those of sizes and times, too")
    given = parser.parse_args()
    python = os.environ.get("TEN_PYTHON2") or shutil.which("python2.7")
    site = python and install(python)
    if not python or not site:
        print(f"{SUITE} is missing: it needs a python2.7 with pip (TEN_PYTHON2 names it)")
        return 2
    left_out = ["12.*", "13.*"] if given.large else ["9.*", "12.*", "13.*"]
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as urls:
        start = time.monotonic()
        spec = {
            "outdir": f"{name}/reports",
            "servers": [{"agent": agent, "url": url} for agent, url in urls.items()],
            "cases": given.cases,
            "exclude-cases": left_out,
        }
        (Path(name) / "spec.json").write_text(json.dumps(spec))
        program = START.format(site=str(site))
        command = [python, "-c", program, "-m", "fuzzingclient", "-s", "spec.json"]
        subprocess.run(command, cwd=name, check=True, stdout=subprocess.DEVNULL)
        results = json.loads((Path(name) / "reports" / "index.json").read_text())
        seconds = time.monotonic() - start
    return compare(results, seconds)


def compare(results: dict[str, dict[str, dict[str, str]]], seconds: float) -> int:
    """Print how both came out and where they differ."""
    straight, door = (results[name] for name in NAMES)
    for name in NAMES:
        counts = Counter(case["behavior"] for case in results[name].values())
        print(f"{name:>9}: {len(results[name])} cases: {dict(counts)}")
    differing = [case for case in straight if verdict(straight[case]) != verdict(door.get(case))]
    for case in differing:
        print(f"{case}: straight {verdict(straight[case])}, door {verdict(door.get(case))}")
    print(f"{len(differing)} differ, {seconds:.0f} s")
    return 1 if differing or len(straight) != len(door) or not straight else 0


def verdict(case: dict[str, str] | None) -> tuple[str, str]:
    """Say how a case and its closing came out."""
    if case is None:
        return "MISSING", ""
    behavior = case["behavior"]
    return "OK" if behavior == "NON-STRICT" else behavior, case["behaviorClose"]


def install(python: str) -> Path | None:
    """Give the folder that holds the suite; fill it where that is possible."""
    site = ROOT / ".cache" / "autobahn"
    if not (site / "autobahntestsuite").exists():
        pip = [python, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        if subprocess.run([*pip, "--target", site, SUITE], check=False).returncode:
            return None
    return site


@contextlib.contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """Run the echo server, and a door before it; give the address of each."""
    port = free_port()
    (folder / "server.py").write_text(SERVER)
    command = ["/usr/bin/python3", str(folder / "server.py"), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    rig = DoorRig(folder)
    try:
        if server.stdout is None or server.stdout.readline() != b"ready\n":
            sys.exit("the echo server does not start: apt-get install python3-websockets")
        service = RouteService(instances={"a": instance(port)})
        rig.table(routing=RouteRules(default="api:a"), api=service)
        ports = dict(zip(NAMES, (port, rig.port), strict=True))
        yield {name: f"ws://127.0.0.1:{each}" for name, each in ports.items()}
    finally:
        rig.close()
        server.kill()
        server.communicate()


if __name__ == "__main__":
    sys.exit(main())
