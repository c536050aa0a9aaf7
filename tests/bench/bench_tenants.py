"""1,000 tenants of which 20 are active: what all of ours cost, and what others' wakes cost those.

Run as `python -m tests.bench.bench_tenants [TENANTS]`. Each is busybox's HTTP server in a process
of its own; the idle ones are frozen. One client, in a process of its own, asks the active ones
all the time; meanwhile 100 frozen ones are asked for at once, then 100 stopped ones. Ours are the
keeper, the engine and two doors, by their proportional set size.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil

from tests.bench.bench_wake import Client
from tests.e2e.engine_run import EngineRun, wait_until
from tests.require import require_program

TENANTS = 1000
ACTIVE = 20
WAKES = 100
QUIET_SECONDS = 5.0

Taken = list[tuple[float, float]]
"""When an answer had come, monotonic, and how many milliseconds it took."""


def config(folder: Path, tenants: int) -> str:
    """Declare them all."""
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("ok\n")
    return f"""
[service.app]
command = "busybox httpd -f -p 127.0.0.1:{{port}} -h {folder}/www"
isolation = "process"
freeze_after = 2
max_instances = {tenants}

[instances]
app = {[f"t{number}" for number in range(tenants)]}
"""


def ask_active(port: int) -> None:
    """Ask the active ones in turn, until the input ends; then print what was taken."""
    client, taken, turn = Client(port), Taken(), 0
    names = [f"t{number}.app" for number in range(ACTIVE)]
    ended = subprocess.Popen(["cat"], stdin=sys.stdin, stdout=subprocess.DEVNULL)
    while ended.poll() is None:
        took = client.ask(names[turn % ACTIVE])
        taken.append((time.monotonic(), took))
        turn += 1
        time.sleep(0.002)
    print(json.dumps(taken))


def own_bytes(engine: EngineRun) -> dict[str, int]:
    """Give the memory of our processes by what they are; a keeper's other children are tenants."""
    keeper = psutil.Process(engine.pid("keeper"))
    found: dict[str, int] = {"keeper": keeper.memory_full_info().pss}
    for child in keeper.children():
        if "busybox" not in child.name():
            kind = "engine" if child.pid == engine.pid("engine") else "doors"
            found[kind] = found.get(kind, 0) + child.memory_full_info().pss
    return found


def ask_once(port: int, ident: str) -> float:
    """Ask by a connection of its own; give the milliseconds."""
    client = Client(port)
    try:
        return client.ask(f"{ident}.app")
    finally:
        client.connection.close()


def wake(engine: EngineRun, idents: list[str]) -> tuple[float, list[float]]:
    """Ask for many at once; give the seconds until all had answers, and each one's milliseconds."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(idents)) as pool:
        times = list(pool.map(partial(ask_once, engine.port), idents))
    return time.perf_counter() - began, times


def are_frozen(engine: EngineRun, tenants: int) -> bool:
    """Tell whether all but the active ones are."""
    states = [each["state"] for each in engine.instances().values()]
    return states.count("frozen") >= tenants - ACTIVE


def measure(engine: EngineRun) -> dict[str, tuple[float, float, list[float]]]:
    """Give by name: when it began and ended, and the wakes' milliseconds."""
    found: dict[str, tuple[float, float, list[float]]] = {}
    began = time.monotonic()
    time.sleep(QUIET_SECONDS)
    found["nobody else"] = began, time.monotonic(), []
    idents = [f"t{ACTIVE + number}" for number in range(2 * WAKES)]
    for ident in idents[WAKES:]:
        engine.stop_instance(f"app:{ident}")
    for name, ones in (("100 frozen", idents[:WAKES]), ("100 stopped", idents[WAKES:])):
        time.sleep(1.0)
        began = time.monotonic()
        _, times = wake(engine, ones)
        found[name] = began, time.monotonic(), times
    return found


def report(taken: Taken, found: dict[str, tuple[float, float, list[float]]]) -> None:
    """Print the table."""
    print(f"{'who wakes':14}{'wakes/s':>9}{'p50 ms':>9}{'p99 ms':>9}   active: p50 ms   p99 ms")
    for name, (began, ended, times) in found.items():
        active = statistics.quantiles([ms for at, ms in taken if began <= at <= ended], n=100)
        wakes = f"{'':27}"
        if times:
            cuts = statistics.quantiles(times, n=100)
            wakes = f"{len(times) / (ended - began):9.0f}{cuts[49]:9.1f}{cuts[98]:9.1f}"
        print(f"{name:14}{wakes}{active[49]:17.2f}{active[98]:9.2f}")


def main() -> int:
    """Print the memory and the table."""
    if sys.argv[1:2] == ["--active"]:
        ask_active(int(sys.argv[2]))
        return 0
    require_program("busybox", "busybox-static")
    tenants = int(sys.argv[1]) if len(sys.argv) > 1 else TENANTS
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineRun(Path(folder), config(Path(folder), tenants))
        began = time.perf_counter()
        engine.start(doors=2)
        try:
            wait_until(lambda: are_frozen(engine, tenants), "all run, and the others rest", 120)
            command = [sys.executable, "-m", "tests.bench.bench_tenants", "--active"]
            client = subprocess.Popen(
                [*command, str(engine.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            time.sleep(1.0)
            found = measure(engine)
            memory = own_bytes(engine)
            taken = [(at, ms) for at, ms in json.loads(client.communicate()[0])]
        finally:
            engine.end()
    print(f"{tenants} tenants, {ACTIVE} active; {time.perf_counter() - began:.0f} s in all")
    parts = ", ".join(f"{kind} {size / 2**20:.0f}" for kind, size in memory.items())
    print(f"memory of ours: {sum(memory.values()) / 2**20:.0f} MiB ({parts})")
    report(taken, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
