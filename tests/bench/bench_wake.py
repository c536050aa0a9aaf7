"""What a wake costs: a request to a warm, a frozen and a stopped Python app, by the door.

Run as `python -m tests.bench.bench_wake [WAKES]`. One client, which keeps its connection to the
door, so that a wake is all that differs; each wake is of an instance that the kernel says stands
still. The budget: a median of at most 1 ms above the warm one, and a p99 of at most 5 ms above.
"""

import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

WAKES = 1000
COLD = 20
INSTANCES = 40

IDENTS = [f"i{number}" for number in range(INSTANCES)]

CONFIG = f"""
[service.app]
command = "{TENANT}"
health = "/health"
freeze_after = 0.3

[service.cold]
command = "{TENANT}"
health = "/health"

[instances]
app = {IDENTS}
cold = ["a"]
"""


class Client:
    """One connection to the door, kept."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, host: str) -> float:
        """Send a request; give the milliseconds until its answer is read."""
        began = time.perf_counter()
        self.connection.request("GET", "/", headers={"Host": f"{host}.localhost"})
        answer = self.connection.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            message = f"{host} answered {answer.status}"
            raise RuntimeError(message)
        return took


def still(engine: EngineRun) -> list[str]:
    """Give the ids of those that are frozen."""
    return [
        name.removeprefix("app:")
        for name, each in engine.instances().items()
        if name.startswith("app:") and each["state"] == "frozen"
    ]


def measure(engine: EngineRun, wakes: int) -> dict[str, list[float]]:
    """Ask warm and frozen ones in turn, then one that is stopped before each request."""
    client = Client(engine.port)
    found: dict[str, list[float]] = {"warm": [], "frozen": [], "stopped": []}
    while len(found["frozen"]) < wakes:
        wait_until(lambda: len(still(engine)) == INSTANCES, "all are frozen", 60)
        time.sleep(0.05)
        for ident in IDENTS:
            found["frozen"].append(client.ask(f"{ident}.app"))
            client.ask(f"{ident}.app")  # a connection to it that is kept, as warm ones have
            found["warm"].append(client.ask(f"{ident}.app"))
    for _ in range(COLD):
        engine.stop_instance("cold:a")
        wait_until(lambda: engine.state("cold:a") == "stopped", "it is stopped")
        found["stopped"].append(client.ask("a.cold"))
    return found


def main() -> int:
    """Print the table; 1 where the budget is not kept."""
    wakes = int(sys.argv[1]) if len(sys.argv) > 1 else WAKES
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineRun(Path(folder), CONFIG)
        engine.start()
        try:
            found = measure(engine, wakes)
        finally:
            engine.end()
    print(f"{'request to':12}{'times':>7}{'p50 ms':>9}{'p99 ms':>9}{'most ms':>9}")
    marks: dict[str, tuple[float, float]] = {}
    for name, times in found.items():
        cuts = statistics.quantiles(times, n=100)
        marks[name] = cuts[49], cuts[98]
        print(f"{name:12}{len(times):7}{cuts[49]:9.2f}{cuts[98]:9.2f}{max(times):9.2f}")
    half = marks["frozen"][0] - marks["warm"][0]
    most = marks["frozen"][1] - marks["warm"][1]
    print(f"frozen above warm: p50 {half:.2f} ms (budget 1), p99 {most:.2f} ms (budget 5)")
    return 0 if half <= 1 and most <= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
