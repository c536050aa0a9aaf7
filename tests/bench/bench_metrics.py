"""What 90 days of kept figures cost: room on the disk, time to read a range, CPU to write.

Run as `python -m tests.bench.bench_metrics`. The clock is made up. One instance is filled with 90
days, at 60 s a sample but for the last day, at 10 s: every record of every ring is written, with
figures that all change. Then 500 instances are fed for some minutes, second by second.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from engine.core.metrics import KEEP_SECONDS, MAX_POINTS
from engine.core.wire import HostSample, Sample
from engine.daemon.metric_store import FOLDER, MetricStore

NOW = 1_800_000_000
DAY = 86_400
INSTANCES = 500
RANGES = {"5 min": 300, "15 min": 900, "6 h": 21_600, "24 h": DAY, "7 d": 7 * DAY, "90 d": 90 * DAY}
WANTED_MS = 100.0
WANTED_CORES = 0.03


def sample_at(at: float, chance: random.Random) -> Sample:
    """Make a sample in which everything changes."""
    roll = chance.random
    return Sample(
        at,
        cpu_cores=roll(),
        cpu_quota_cores=1.0,
        throttled=roll(),
        memory_bytes=chance.randrange(1 << 28),
        memory_limit_bytes=1 << 28,
        io_read_bytes=roll() * 1e6,
        io_write_bytes=roll() * 1e6,
        requests=roll() * 100,
        errors=roll(),
        p95_ms=roll() * 50,
        inflight=chance.randrange(10),
        log_lines=roll() * 100,
        log_errors=roll(),
        pids=chance.randrange(1, 20),
        psi_cpu=roll(),
        psi_memory=roll(),
        psi_io=roll(),
        psi_cpu_full=roll(),
        psi_memory_full=roll(),
        psi_io_full=roll(),
        p50_ms=roll() * 10,
        p99_ms=roll() * 90,
        swap_bytes=chance.randrange(1 << 24),
        restarts=chance.randrange(3),
    )


def store_in(folder: str) -> MetricStore:
    """Open a store that complains aloud."""
    return MetricStore(Path(folder), lambda text, _: print(text), sys.maxsize)


def size_on_disk(folder: Path) -> int:
    """Add up what the files below a folder take on the disk, in bytes."""
    return sum(
        (Path(base) / name).stat().st_blocks * 512
        for base, _, names in os.walk(folder)
        for name in names
    )


def fill(store: MetricStore, chance: random.Random) -> None:
    """Keep 90 days of one instance."""
    at = NOW - KEEP_SECONDS
    while at < NOW:
        store.take(HostSample(at), {"api:alice": sample_at(at, chance)})
        left = NOW - at
        at += 1 if left <= 1000 else 10 if left <= DAY + 300 else 60


def read_times(store: MetricStore) -> bool:
    """Print how long each range takes; tell whether all are quick enough."""
    is_good = True
    for label, seconds in RANGES.items():
        took = []
        for _ in range(7):
            begin = time.perf_counter()
            found = store.read(
                "api:alice", "cpu", since=NOW - seconds, until=NOW, now=float(NOW - 1)
            )
            took.append((time.perf_counter() - begin) * 1000)
        count = len(found.points)
        is_good &= 0 < count <= MAX_POINTS and statistics.median(took) <= WANTED_MS
        print(
            f"read {label:>6}: {count:3} points of {found.step} s, median "
            f"{statistics.median(took):.1f} ms, worst {max(took):.1f} ms (wanted {WANTED_MS:g})"
        )
    return is_good


def feed(folder: str, seconds: int, chance: random.Random) -> bool:
    """Print what writing 500 instances costs; tell whether it is little enough."""
    store = store_in(folder)
    names = [f"api:tenant-{number}" for number in range(INSTANCES)]
    rounds = [{name: sample_at(0, chance) for name in names} for _ in range(4)]
    store.take(HostSample(NOW), rounds[0])  # files are made once
    begin = time.process_time()
    for second in range(1, seconds + 1):
        store.take(HostSample(NOW + second), rounds[second % len(rounds)])
    cores = (time.process_time() - begin) / seconds
    store.close()
    print(f"write {INSTANCES} instances: {cores * 100:.2f}% of a core (engine in all: 3%)")
    return cores <= WANTED_CORES


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_metrics")
    parser.add_argument("--seconds", type=int, default=600, help="fed to 500 instances [600]")
    seconds = parser.parse_args().seconds
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(folder)
        fill(store, chance)
        size = size_on_disk(Path(folder) / FOLDER / "api")
        print(
            f"90 days of one instance: {size / 2**20:.2f} MiB on the disk, "
            f"so of {INSTANCES}: {INSTANCES * size / 2**30:.2f} GiB"
        )
        is_good = read_times(store)
        store.close()
    with tempfile.TemporaryDirectory() as folder:
        is_good &= feed(folder, seconds, chance)
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
