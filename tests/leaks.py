"""What a test may leave behind: nothing. Compares processes, cgroups, mounts and sockets."""

import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make orphans of the tests children of this process, so that none can hide."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(frozen=True)
class Traces:
    """What stands around at one moment."""

    processes: frozenset[tuple[int, float]]
    cgroups: frozenset[str]
    mounts: frozenset[str]
    places: frozenset[str]

    def added_since(self, before: "Traces") -> dict[str, list[str]]:
        """Name what is here and was not there before."""
        found = {
            "processes": [_describe(pid) for pid, _ in self.processes - before.processes],
            "cgroups": sorted(self.cgroups - before.cgroups),
            "mounts": sorted(self.mounts - before.mounts),
            "sockets and folders": sorted(self.places - before.places),
        }
        return {what: names for what, names in found.items() if names}


def look() -> Traces:
    """Take the traces of now. Zombies do not count: their parent is about to reap them."""
    return Traces(
        processes=frozenset(_living_children()),
        cgroups=frozenset(_cgroups()),
        mounts=frozenset(_mounts()),
        places=frozenset(_places()),
    )


def _places() -> list[str]:
    uid = os.geteuid()
    found = []
    for root in (Path("/run"), Path("/tmp"), Path(os.environ.get("XDG_RUNTIME_DIR", "/run"))):
        for path in root.glob("ten-*"):
            try:
                if path.lstat().st_uid == uid:
                    found.append(str(path))
            except FileNotFoundError:
                continue
    return found


def _living_children() -> list[tuple[int, float]]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                continue
            found.append((child.pid, child.create_time()))
        except psutil.NoSuchProcess:
            continue
    return found


def _cgroups() -> list[str]:
    """List the engines' own parents: one there before, say of the demo, may change below."""
    found: list[str] = []
    for tree in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (tree / "cgroup.procs").exists():
            # os.walk passes over what is removed meanwhile.
            found += [folder for folder, _, _ in os.walk(tree) if _is_parent(folder)]
    return found


def _is_parent(folder: str) -> bool:
    return Path(folder).name.startswith("ten-")


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split(" ")[4] + " " + line.split(" - ")[1].split(" ")[0] for line in lines]


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{pid} {' '.join(process.cmdline())[:120]}"
    except psutil.NoSuchProcess:
        return f"{pid} (gone)"


def wait_clean(before: Traces, seconds: float = 5.0) -> dict[str, list[str]]:
    """Wait until nothing more stands around than before; give what still does."""
    deadline = time.monotonic() + seconds
    while True:
        left = look().added_since(before)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def end_processes(before: Traces) -> None:
    """Kill what a failed test left running, so that the next one starts clean."""
    for pid, born in look().processes - before.processes:
        try:
            process = psutil.Process(pid)
            if process.create_time() == born:
                process.kill()
        except psutil.NoSuchProcess:
            continue
