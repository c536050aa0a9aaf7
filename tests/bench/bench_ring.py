"""How fast logs come in and are found again: the pump and the ring against plain copying and grep.

Run as `python -m tests.bench.bench_ring`; `--small` for a quick look. Each figure is a ratio to a
peer of the same run, which takes turns with ours on the same lines.
"""

import argparse
import asyncio
import fcntl
import os
import random
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvloop

from engine.core.ring import Stream
from engine.daemon.log_pump import LogPump
from engine.daemon.log_search import Search
from engine.daemon.ring import Ring, RingStore, line_filter

MB = 1_000_000
CHUNK = 1024 * 1024
SEGMENT = 8 * CHUNK
NEEDLE = "needle in 4711 haystacks"


def log_lines(size: int, seed: int = 1) -> bytes:
    """Make realistic lines of 60 to 200 bytes, of a total size."""
    chance = random.Random(seed)
    lines = []
    left = size
    while left > 200:
        line = (
            f"2026-05-01T12:{chance.randrange(60):02}:{chance.randrange(60):02}.{left % 1000:03}Z "
            f"INFO request id={chance.randrange(1 << 40):x} path=/api/v1/items/{left % 977} "
            + "user agent=Mozilla/5.0 (X11; Linux x86_64) "[: chance.randrange(8, 44)]
            * 2
        )[: chance.randrange(60, 200)]
        lines.append(line.encode() + b"\n")
        left -= len(line) + 1
    return b"".join(lines) + b"." * (left - 1) + b"\n"


# --- writers: processes of their own ---


@contextmanager
def writer(write: Callable[[], None]) -> Iterator[int]:
    """Run a writer in a forked process; end it with the block."""
    pid = os.fork()
    if pid == 0:
        try:
            write()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.waitpid(pid, 0)


def flood(fd: int, size: int) -> None:
    """Write so many bytes of lines as fast as they are taken, 1 MiB at a time."""
    lines = memoryview(log_lines(CHUNK))
    while size > 0:
        size -= os.write(fd, lines[: min(CHUNK, size)])


def pace(fds: list[int], bytes_a_second: int, seconds: float) -> None:
    """Write lines to many FIFOs, each at a rate, in pieces as programs with a buffer do.

    What a reader that left does not take is dropped.
    """
    for fd in fds:
        os.set_blocking(fd, False)
    lines = log_lines(CHUNK)
    piece = 8192
    began, written = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        while written < now * bytes_a_second:
            start = written % (CHUNK - piece)
            for fd in fds:
                with suppress(BlockingIOError):
                    os.write(fd, lines[start : start + piece])
            written += piece
        time.sleep(0.002)


@contextmanager
def paced(fds: list[int], rate: int, seconds: float) -> Iterator[None]:
    """Write to many FIFOs at a rate, from two processes."""
    half = len(fds) // 2
    with (
        writer(lambda: pace(fds[:half], rate, seconds)),
        writer(lambda: pace(fds[half:], rate, seconds)),
    ):
        yield


def make_fifos(folder: Path, count: int) -> tuple[list[int], list[int]]:
    """Make FIFOs; open each as the keeper does, and once more as an instance does."""
    reading, writing = [], []
    for number in range(count):
        path = folder / f"fifo{number}"
        os.mkfifo(path)
        reading.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        writing.append(os.open(path, os.O_RDWR))
        path.unlink()
    return reading, writing


def close_all(*fds: int) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)


def cpu_seconds() -> float:
    """CPU time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- one instance in flood ---


async def intake(folder: Path, size: int, limit: int) -> tuple[float, float]:
    """Take a flood in by pump and ring; give seconds and CPU seconds."""
    store = RingStore(folder / "logs")
    pump = LogPump(asyncio.get_running_loop(), store)
    reading, writing = make_fifos(folder, 2)
    pump.attach("bench:one", *reading, limit)
    began, used = time.perf_counter(), cpu_seconds()
    with writer(lambda: flood(writing[0], size)):
        while pump.counters("bench:one").bytes < size:
            await asyncio.sleep(0.005)
        lines = store.ring("bench:one").end
        took, used = time.perf_counter() - began, cpu_seconds() - used
    close_all(*writing)
    expected = log_lines(CHUNK).count(b"\n") * (size // CHUNK)
    assert abs(lines - expected) < expected * 0.02, (lines, expected)
    pump.close()
    store.close()
    shutil.rmtree(folder / "logs")
    return took, used


def copy_by_python(folder: Path, size: int) -> float:
    """Read and write into segments, the oldest unlinked: what a plain program would do."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, CHUNK)
    with writer(lambda: flood(writing, size)):
        os.close(writing)
        began, segments = time.perf_counter(), []
        left = SEGMENT
        target = os.open(folder / "seg0", os.O_CREAT | os.O_WRONLY, 0o600)
        while data := os.read(reading, CHUNK):
            left -= os.write(target, data)
            if left <= 0:
                os.close(target)
                segments.append(folder / f"seg{len(segments) + 1}")
                target = os.open(segments[-1], os.O_CREAT | os.O_WRONLY, 0o600)
                left = SEGMENT
                if len(segments) > 8:
                    segments[-9].unlink(missing_ok=True)
        took = time.perf_counter() - began
    os.close(target)
    os.close(reading)
    for path in folder.glob("seg*"):
        path.unlink()
    return took


def copy_by_cat(folder: Path, size: int) -> float:
    """`cat FIFO > FILE`, which keeps everything."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, CHUNK)
    with (folder / "all").open("wb") as target:
        began = time.perf_counter()
        with subprocess.Popen(["cat"], stdin=reading, stdout=target) as cat:
            os.close(reading)
            with writer(lambda: flood(writing, size)):
                os.close(writing)
            cat.wait()
            took = time.perf_counter() - began
    (folder / "all").unlink()
    return took


def fcntl_widen(fd: int) -> None:
    """Give a peer's pipe the room ours has."""
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)


def bench_intake(folder: Path, size: int, rounds: int) -> None:
    """Print GB/s of one instance."""
    print(f"\none instance in flood, {size / 1e9:.1f} GB of 60-200 byte lines, median of {rounds}")
    found: dict[str, list[float]] = {"ring": [], "cpu": [], "python": [], "cat": []}
    for _ in range(rounds):
        took, used = uvloop.run(intake(folder, size, 64 * CHUNK))
        found["ring"].append(size / took / 1e9)
        found["cpu"].append(used / took)
        found["python"].append(size / copy_by_python(folder, size) / 1e9)
        found["cat"].append(size / copy_by_cat(folder, size) / 1e9)
    ours, cpu, python, cat = (statistics.median(values) for values in found.values())
    print(f"  ten, with its index     {ours:5.2f} GB/s   {cpu:.2f} cores")
    print(f"  read and write, Python  {python:5.2f} GB/s   ratio {ours / python:.2f}")
    print(f"  cat > file              {cat:5.2f} GB/s   ratio {ours / cat:.2f}")


# --- many instances ---


async def many(folder: Path, count: int, rate: int, seconds: float) -> tuple[float, float]:
    """Take in many instances at a rate; give our CPU share and the rate that was reached."""
    store = RingStore(folder / "logs")
    pump = LogPump(asyncio.get_running_loop(), store)
    outs, writing = make_fifos(folder, count)
    errs, quiet = make_fifos(folder, count)
    names = [f"bench:i{number}" for number in range(count)]
    for name, out, err in zip(names, outs, errs, strict=True):
        pump.attach(name, out, err, 64 * CHUNK)
    with paced(writing, rate, seconds + 1):
        await asyncio.sleep(1)
        began, used = time.perf_counter(), cpu_seconds()
        taken = sum(pump.counters(name).bytes for name in names)
        await asyncio.sleep(seconds - 0.5)
        took, used = time.perf_counter() - began, cpu_seconds() - used
        taken = sum(pump.counters(name).bytes for name in names) - taken
        await asyncio.sleep(0.6)
    close_all(*writing, *quiet)
    pump.close()
    store.close()
    shutil.rmtree(folder / "logs")
    return used / took, taken / took


def many_by_read(folder: Path, count: int, rate: int, seconds: float) -> tuple[float, float]:
    """The same by epoll, read and write, into files that begin anew at 64 MiB."""
    reading, writing = make_fifos(folder, count)
    targets = {}
    poll = select.epoll()
    for number, fd in enumerate(reading):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)
        poll.register(fd, select.EPOLLIN)
        path = folder / f"copy{number}"
        targets[fd] = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        path.unlink()
    with paced(writing, rate, seconds):
        close_all(*writing)
        taken, began, used = 0, time.perf_counter(), cpu_seconds()
        while (took := time.perf_counter() - began) < seconds:
            for fd, _ in poll.poll(0.1):
                taken += copy_some(fd, targets[fd])
        used = cpu_seconds() - used
    poll.close()
    close_all(*reading, *targets.values())
    return used / took, taken / took


def copy_some(source: int, target: int) -> int:
    """Copy what is in a FIFO, at the start of the file again where it got long."""
    size = os.write(target, os.read(source, CHUNK))
    if os.lseek(target, 0, os.SEEK_CUR) > 64 * CHUNK:
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
    return size


def bench_many(folder: Path, count: int, rate: int, seconds: float) -> None:
    """Print the CPU share for many instances."""
    print(f"\n{count} instances at {rate / MB:.0f} MB/s each, {seconds:.0f} s")
    cpu, taken = uvloop.run(many(folder, count, rate, seconds))
    print(f"  ten, lines counted      {cpu:5.2f} cores  {taken / MB:.0f} MB/s")
    peer, taken = many_by_read(folder, count, rate, seconds)
    print(f"  epoll, read, write      {peer:5.2f} cores  {taken / MB:.0f} MB/s", end="")
    print(f"   ratio {cpu / peer:.2f} of its CPU")


# --- search ---


def fill(ring: Ring, size: int) -> None:
    """Fill a ring, with the needle in the last line and nowhere else."""
    lines = [log_lines(CHUNK, seed) for seed in range(16)]
    for number in range(size // CHUNK):
        ring.append(lines[number % 16], Stream.STDOUT)
    ring.append(NEEDLE.encode() + b"\n", Stream.STDOUT)


def timed(search: Search) -> tuple[float, float]:
    """Run a search to its end in steps as on the loop; give its seconds and its longest step."""
    took, longest = 0.0, 0.0
    while True:
        began = time.perf_counter()
        is_done = search.step(0.008)
        step = time.perf_counter() - began
        took, longest = took + step, max(longest, step)
        if is_done:
            assert search.lines, "the needle was not found"
            return took, longest


def bench_search(folder: Path, size: int) -> None:
    """Print how long the first match in a large ring takes, and windows anywhere in it."""
    store = RingStore(folder / "logs")
    ring = store.ring("bench:one", size + 64 * CHUNK)
    fill(ring, size)
    end = ring.end
    print(f"\nsearch, {ring.size_bytes / 1e9:.2f} GB of ring, {end:,} lines, match in the last one")
    began = time.perf_counter()
    command = ["grep", "-c", "-F", NEEDLE, *sorted(map(str, (folder / "logs").rglob("*.seg")))]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env={"LC_ALL": "C"})
    grep = time.perf_counter() - began
    kinds: list[tuple[str, str, dict[str, bool]]] = [
        ("literal", NEEDLE, {}),
        ("any case", NEEDLE.upper(), {"is_case_sensitive": False}),
        ("regex", r"needle in \d+", {"is_regex": True}),
    ]
    for kind, text, options in kinds:
        took, longest = timed(Search(ring, line_filter(text=text, **options), 0))
        speed = ring.size_bytes / took / 1e9
        print(
            f"  {kind:8} {took:6.3f} s  {speed:5.1f} GB/s  ratio {took / grep:.2f} of grep's time,"
            f" longest step {longest * 1000:.1f} ms"
        )
    took, _ = timed(Search(ring, line_filter(text="id="), end - 1, is_backward=True))
    print(f"  backward, a match near the end: {took * 1000:.2f} ms")
    places = [random.Random(1).randrange(end) for _ in range(300)]
    first = [timed_window(ring, place) for place in places]
    again = [timed_window(ring, place) for place in places]
    for label, times in (("first time", first), ("again", again)):
        cuts = statistics.quantiles(times, n=100)
        print(
            f"  window of 50 lines anywhere, {label}: p50 {cuts[49]:.2f} ms  p99 {cuts[98]:.2f} ms"
        )
    store.close()
    shutil.rmtree(folder / "logs")


def timed_window(ring: Ring, place: int) -> float:
    """Give the milliseconds of one window."""
    began = time.perf_counter()
    ring.window(place, 50)
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Run all, or what is asked for."""
    parser = argparse.ArgumentParser(prog="bench_ring")
    parser.add_argument("--small", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", choices=["intake", "many", "search"])
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of the flood")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the many instances")
    parser.add_argument("--ring-megabytes", type=int, default=1000, help="to search through")
    options = parser.parse_args()
    scale = 0.1 if options.small else 1.0
    size = int(options.gigabytes * scale * 1e9) // CHUNK * CHUNK
    with tempfile.TemporaryDirectory(prefix="bench_ring") as name:
        folder = Path(name)
        if options.only in (None, "intake"):
            bench_intake(folder, size, 1 if options.small else 3)
        if options.only in (None, "many"):
            bench_many(folder, 64, 10 * MB, max(options.seconds * scale, 2))
        if options.only in (None, "search"):
            bench_search(folder, int(options.ring_megabytes * scale * MB))
    return 0


if __name__ == "__main__":
    sys.exit(main())
