"""How long a launch takes: isolation `namespace` against `bwrap`, one alone and 200 at once.

Run as `python -m tests.bench.bench_spawn`. From the order until the program has written its first
byte, the machine otherwise idle; all take turns. Twice, like against like: with hardening off
against `bwrap --unshare-pid`, and hardened as by default against a bwrap that is told to cover,
protect and drop the same. Then what a reaper costs in memory.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.core.hardening import Hardening, HardeningSpec
from engine.core.spec import ServiceSpec
from engine.kernel.cgroup import CgroupTree, find_tree, group_of
from engine.runtime.plan import build_plan
from tests.kernel.harness import Host, Played, host

ROUNDS = 60
AT_ONCE = 200
SCRIPT = "echo; exec sleep 1000"


def plan_of(
    data_dir: Path, ident: str, tree: CgroupTree | None, hardening: str
) -> tuple[list[list[object]], str]:
    """Build what the engine would order."""
    cgroup = tree.create(f"{group_of(str(data_dir))}/api:{ident}").path if tree else ""
    spec = ServiceSpec(
        name="api",
        command="/bin/sh",
        args=("-c", SCRIPT),
        workdir="/",
        hardening=HardeningSpec(level=Hardening(hardening)),
    )
    plan = build_plan(
        spec, ident, port=1, data_dir=str(data_dir), cgroup=cgroup, environ={}, pass_env=()
    )
    return plan.to_wire(), cgroup


def ours(
    engine: Played, data_dir: Path, ident: str, tree: CgroupTree | None, hardening: str
) -> float:
    """Launch one and wait for its first byte; give the milliseconds."""
    plan, cgroup = plan_of(data_dir, ident, tree, hardening)
    began = time.perf_counter()
    told = engine.spawn(f"api:{ident}", plan, cgroup)
    os.set_blocking(told.fds[1], True)
    os.read(told.fds[1], 1)
    took = (time.perf_counter() - began) * 1000
    told.close()
    return took


def bwrap_like(plan: list[list[object]]) -> list[str]:
    """Give the command by which bwrap does what is in a hardened plan, the filter excepted."""
    command = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]
    command += ["--hostname", "api-x", "--cap-drop", "ALL", "--new-session", "--die-with-parent"]
    command += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for name, *arguments in plan:
        if name == "hide":
            kept = [word for path in arguments[1] for word in ("--bind-try", path, path)]
            command += ["--tmpfs", str(arguments[0]), *kept]
        elif name == "readonly" and arguments[0] != ["/"]:
            command += [word for path in arguments[0] for word in ("--ro-bind-try", path, path)]
        elif name == "mask":
            there = [path for path in arguments[0] if Path(path).is_file()]
            command += [word for path in there for word in ("--ro-bind-try", "/dev/null", path)]
    return command


def start_bwrap(command: list[str]) -> subprocess.Popen[bytes]:
    """Fork and execute it from here, without a Python in between."""
    return subprocess.Popen([*command, "/bin/sh", "-c", SCRIPT], stdout=subprocess.PIPE, bufsize=0)


def theirs(command: list[str], count: int = 1) -> float:
    """Start some without waiting between, wait for the first byte of all; give milliseconds."""
    began = time.perf_counter()
    started = [start_bwrap(command) for _ in range(count)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"\n", "bwrap failed"
    took = (time.perf_counter() - began) * 1000
    for process in started:
        with process:
            process.kill()
    return took


def private_kb(pid: int) -> int:
    """Memory of a process that it shares with no other."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


def at_once(
    engine: Played, data_dir: Path, tree: CgroupTree | None, hardening: str
) -> tuple[float, list[int]]:
    """Order 200 launches without waiting between; give the milliseconds until the last has
    written its first byte, and the reapers' pids.
    """
    names = [f"{hardening}{number}" for number in range(AT_ONCE)]
    plans = [plan_of(data_dir, name, tree, hardening) for name in names]
    began = time.perf_counter()
    orders = [
        engine.order("spawn", name=f"api:{name}", plan=plan, cgroup=cgroup, blob={})
        for name, (plan, cgroup) in zip(names, plans, strict=True)
    ]
    replies = [engine.find("reply", re=order) for order in orders]
    for told in replies:
        assert told["ok"], told.message
        os.set_blocking(told.fds[1], True)
        os.read(told.fds[1], 1)
    took = (time.perf_counter() - began) * 1000
    for told in replies:
        told.close()
    return took, [int(str(told["pid"])) for told in replies]


def compare(kept: Host, engine: Played, tree: CgroupTree | None, hardening: str) -> list[int]:
    """Measure one level of hardening and print its rows; give the pids of 200 reapers."""
    like = ["bwrap", "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--die-with-parent"]
    if hardening != "off":
        like = bwrap_like(plan_of(kept.data_dir, "like", tree, hardening)[0])
    has_bwrap, data_dir = shutil.which("bwrap") is not None, kept.data_dir
    mine: list[float] = []
    peers: list[float] = []
    for number in range(ROUNDS):
        mine.append(ours(engine, data_dir, f"{hardening}-{number}", tree, hardening))
        if has_bwrap:
            peers.append(theirs(like))
    all_mine, pids = at_once(engine, data_dir, tree, hardening)
    rows = [("one, p50", statistics.median(mine), statistics.median(peers) if peers else 0.0)]
    rows.append((f"{AT_ONCE} at once", all_mine, theirs(like, AT_ONCE) if has_bwrap else 0.0))
    for what, own, peer in rows:
        ratio = f"bwrap {peer:8.2f} ms   ratio {own / peer:5.2f}" if peer else "no bwrap to compare"
        print(f"hardening {hardening:8} {what:12} {own:8.2f} ms   {ratio}")
    return pids


def run(kept: Host) -> None:
    """Measure and print the table."""
    engine, tree = kept.start(), find_tree()
    assert kept.keeper is not None
    compare(kept, engine, tree, "off")
    pids = compare(kept, engine, tree, "default")
    print("budget: ratio 1.5; 200 at once in 3 s")
    if not shutil.which("bwrap"):
        print("bwrap is not installed; apt-get install bubblewrap")
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
