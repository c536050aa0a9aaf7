"""How long a launch takes: isolation `namespace` against `bwrap --unshare-pid`, and 200 at once.

Run as `python -m tests.bench.bench_spawn`. From the order until the program has written its first
byte, the machine otherwise idle; the two take turns. Then what a reaper costs in memory.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.core.spec import ServiceSpec
from engine.kernel.cgroup import CgroupTree, find_tree, group_of
from engine.runtime.plan import build_plan
from tests.kernel.harness import Host, Played, host

ROUNDS = 60
AT_ONCE = 200
SCRIPT = "echo; exec sleep 1000"


def plan_of(data_dir: Path, ident: str, tree: CgroupTree | None) -> tuple[list[list[object]], str]:
    """Build what the engine would order."""
    cgroup = tree.create(f"{group_of(str(data_dir))}/api:{ident}").path if tree else ""
    spec = ServiceSpec(name="api", command="/bin/sh", args=("-c", SCRIPT), workdir="/")
    plan = build_plan(
        spec, ident, port=1, data_dir=str(data_dir), cgroup=cgroup, environ={}, pass_env=()
    )
    return plan.to_wire(), cgroup


def ours(engine: Played, data_dir: Path, ident: str, tree: CgroupTree | None) -> float:
    """Launch one and wait for its first byte; give the milliseconds."""
    plan, cgroup = plan_of(data_dir, ident, tree)
    began = time.perf_counter()
    told = engine.spawn(f"api:{ident}", plan, cgroup)
    os.set_blocking(told.fds[1], True)
    os.read(told.fds[1], 1)
    took = (time.perf_counter() - began) * 1000
    told.close()
    return took


def peers(program: str) -> float:
    """The same by bwrap, forked and executed from here without a Python in between."""
    command = [program, "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--die-with-parent"]
    command += ["/bin/sh", "-c", SCRIPT]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        took = (time.perf_counter() - began) * 1000
        process.kill()
    return took


def private_kb(pid: int) -> int:
    """Memory of a process that it shares with no other."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


def at_once(engine: Played, data_dir: Path, tree: CgroupTree | None) -> tuple[float, list[int]]:
    """Order 200 launches without waiting between them; give seconds and the reapers' pids."""
    plans = [plan_of(data_dir, f"many{number}", tree) for number in range(AT_ONCE)]
    began = time.perf_counter()
    orders = [
        engine.order("spawn", name=f"api:many{number}", plan=plan, cgroup=cgroup, blob={})
        for number, (plan, cgroup) in enumerate(plans)
    ]
    replies = [engine.find("reply", re=order) for order in orders]
    took = time.perf_counter() - began
    assert all(told["ok"] for told in replies)
    for told in replies:
        told.close()
    return took, [int(str(told["pid"])) for told in replies]


def run(kept: Host) -> None:
    """Measure and print the table."""
    engine, tree, bwrap = kept.start(), find_tree(), shutil.which("bwrap")
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        mine.append(ours(engine, kept.data_dir, f"n{number}", tree))
        if bwrap:
            theirs.append(peers(bwrap))
    seconds, pids = at_once(engine, kept.data_dir, tree)
    assert kept.keeper is not None
    print(f"spawn, namespace         p50 {statistics.median(mine):6.2f} ms")
    if theirs:
        ratio = statistics.median(mine) / statistics.median(theirs)
        print(f"bwrap --unshare-pid      p50 {statistics.median(theirs):6.2f} ms")
        print(f"ratio                        {ratio:6.2f}     (budget 1.50)")
    else:
        print("bwrap is not installed; apt-get install bubblewrap")
    print(f"{AT_ONCE} at once              {seconds:10.2f} s  (budget 3.00)")
    middle = statistics.median(private_kb(pid) for pid in pids)
    print(f"memory of a reaper       p50 {middle:6.0f} kB")
    print(f"memory of the keeper         {private_kb(kept.keeper.pid):6.0f} kB")


def main() -> int:
    """Run in a folder that is removed again."""
    folder = Path(tempfile.mkdtemp(prefix="bench-spawn-"))
    try:
        with host(folder) as kept:
            run(kept)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
