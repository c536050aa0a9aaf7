"""The console in a pty: first paint, at rest, on a flood, key to paint; beside other programs.

The engine is the one of `tests.tui.fake`, inside the measured process, so that the figures are
the console's own and an upper bound: its rings are computed, line by line, at any speed.
btop, lnav and mprocs are measured in the same run where they are installed.
"""

import argparse
import os
import select
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.tui.pty_console import Terminal

SIZE = (160, 50)
BUDGETS = {
    "first paint ms": 500.0,
    "cpu at rest %": 2.0,
    "bytes/s at rest": 6000.0,
    "cpu on a flood %": 15.0,
    "bytes/s on a flood": 20_000.0,
    "key to paint p50 ms": 20.0,
    "key to paint p95 ms": 50.0,
}


@dataclass
class Figures:
    """What was measured of one program in one situation."""

    first_paint_ms: float
    cpu_percent: float
    bytes_per_second: float
    key_ms: list[float]


def measure(
    argv: list[str], ready: str, keys: str, seconds: float, *, program: str | None = None
) -> Figures:
    """Run a program in a pty and look at it."""
    begun = time.perf_counter()
    with BenchTerminal(argv, SIZE, program=program) as seen:
        seen.until(ready, 20.0)
        paint = (time.perf_counter() - begun) * 1e3
        if not seconds:
            return Figures(paint, 0.0, 0.0, [])
        seen.read_for(2.0)
        cpu, written, start = tree_cpu(seen.pid), len(seen.written), time.perf_counter()
        seen.read_for(seconds)
        spent = time.perf_counter() - start
        cpu, written = tree_cpu(seen.pid) - cpu, len(seen.written) - written
        waits = [_key(seen, key) for key in keys]
    return Figures(paint, 100 * cpu / spent, written / spent, [wait for wait in waits if wait])


def _key(seen: "BenchTerminal", key: str) -> float:
    """Time from a key to the first byte that answers it, 0 where none comes."""
    seen.read_for(0.35)
    begun = time.perf_counter()
    seen.press(key)
    answered = bool(select.select([seen.fd], [], [], 2.0)[0])
    return (time.perf_counter() - begun) * 1e3 if answered else 0.0


class BenchTerminal(Terminal):
    """A terminal that can run programs other than Python's."""

    def __init__(self, argv: list[str], size: tuple[int, int], *, program: str | None) -> None:
        if program is None:
            super().__init__(argv, size)
        else:
            launcher = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
            super().__init__(["-c", launcher, program, *argv], size)

    def read_for(self, seconds: float) -> None:
        """Take what is written for a time, whether or not there are pauses in it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(min(0.1, left))


def tree_cpu(pid: int) -> float:
    """Add up the CPU seconds of a process and its living descendants, their reaped ones too."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
                ticks = sum(map(int, fields[11:15]))
                spent[int(entry)] = ticks / os.sysconf("SC_CLK_TCK")
    total, todo = 0.0, [pid]
    while todo:
        one = todo.pop()
        total += spent.get(one, 0.0)
        todo += children.get(one, [])
    return total


def fake(instances: int, lines: int) -> list[str]:
    """Give the command line of the console on a fake engine."""
    return ["-m", "tests.tui.fake_console", "--instances", str(instances), "--lines", str(lines)]


def main() -> int:
    """Measure, print the table, and fail where a budget is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    os.chdir(Path(__file__).parents[2])
    paints = [measure(fake(100, 0), "● healthy", "", 0.0).first_paint_ms for _ in range(3)]
    rest = measure(fake(100, 0), "● healthy", "jkjkjkjkjk", given.seconds)
    rest.first_paint_ms = statistics.median([*paints, rest.first_paint_ms])
    many = measure(fake(1000, 0), "● healthy", "jkjkjkjkjk", given.seconds)
    flood = measure(fake(100, 50_000), "● healthy", "jkjkjkjkjkjkjkjkjkjk", given.seconds)
    print(
        f"{'console, ' + str(SIZE[0]) + 'x' + str(SIZE[1]):38}cpu %   bytes/s   paint ms  key p50"
    )
    for name, seen in (
        ("at rest, 100 instances at 1 Hz", rest),
        ("at rest, 1,000 instances at 1 Hz", many),
        ("log pane following 50,000 lines/s", flood),
    ):
        print(row(name, seen))
    for name, seen in peers(given.seconds):
        print(row(name, seen))
    return judge(rest, flood)


def row(name: str, seen: Figures) -> str:
    """Write one line of the table."""
    key = f"{statistics.median(seen.key_ms):8.1f}" if seen.key_ms else "       -"
    figures = f"{seen.cpu_percent:5.1f}{seen.bytes_per_second:10.0f}{seen.first_paint_ms:11.0f}"
    return f"{name:38}{figures}{key}"


def peers(seconds: float) -> list[tuple[str, Figures]]:
    """Measure what else is installed, in the same terminal."""
    found: list[tuple[str, Figures]] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "flood.log"
        log.write_text("".join(f"line {n} INFO GET /api/orders 200\n" for n in range(20_000)))
        cases = [
            ("btop at rest", [], "cpu", ""),
            ("lnav on a file", [str(log)], "line", "jk"),
            ("mprocs on a flood", ["yes a line of a log"], "line", ""),
        ]
        for name, argv, ready, keys in cases:
            program = shutil.which(name.split()[0])
            if program is None:
                print(f"{name}: not installed")
                continue
            try:
                found.append((name, measure(argv, ready, keys, seconds, program=program)))
            except AssertionError as error:
                print(f"{name}: {str(error).splitlines()[0]}")
    return found


def judge(rest: Figures, flood: Figures) -> int:
    """Compare with the budgets; tells 1 where one is missed."""
    keys = sorted([*rest.key_ms, *flood.key_ms])
    measured = {
        "first paint ms": rest.first_paint_ms,
        "cpu at rest %": rest.cpu_percent,
        "bytes/s at rest": rest.bytes_per_second,
        "cpu on a flood %": flood.cpu_percent,
        "bytes/s on a flood": flood.bytes_per_second,
        "key to paint p50 ms": statistics.median(keys),
        "key to paint p95 ms": keys[int(len(keys) * 0.95)],
    }
    missed = 0
    for name, budget in BUDGETS.items():
        ratio = measured[name] / budget
        missed += ratio > 1
        print(f"{name:22}{measured[name]:10.1f} of {budget:8.0f}  {ratio:5.2f}x")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
