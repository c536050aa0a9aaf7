"""Figures of processes straight from /proc: what psutil gives, at a tenth of its cost.

Hundreds of instances are sampled every second, so a process costs one read of one file here and
no object is made that is not kept.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_RESCAN_EVERY = 10
_READ_BYTES = 4096


class ProcessStat(NamedTuple):
    """One process.

    Attributes:
        ppid: Its parent.
        own_ticks: CPU time of its own.
        waited_ticks: CPU time of its children that it has waited for.
        threads: How many it has.
        start_ticks: When it began, since boot; tells it from another of the same pid.
    """

    ppid: int
    own_ticks: int
    waited_ticks: int
    threads: int
    start_ticks: int


class MemoryUse(NamedTuple):
    """Resident memory of one process: `shared_bytes` are file mappings and shared memory."""

    resident_bytes: int
    shared_bytes: int


class ProcessIo(NamedTuple):
    """Bytes one process has moved from and to storage since it began."""

    read_bytes: int
    write_bytes: int


def _read(path: str) -> bytes:
    """Read a small file of /proc; b"" where it is gone or not for us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _READ_BYTES)
    except OSError:
        return b""  # ESRCH: it ended between the two calls
    finally:
        os.close(fd)


def process_stat(pid: int) -> ProcessStat | None:
    """Read one process; None where it is gone. Source: proc_pid_stat(5)."""
    data = _read(f"/proc/{pid}/stat")
    # The name is in brackets and may hold brackets and blanks itself.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    own, waited = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return ProcessStat(int(fields[1]), own, waited, int(fields[17]), int(fields[19]))


def memory_use(pid: int) -> MemoryUse | None:
    """Read one process's memory; None where it is gone. Source: proc_pid_statm(5)."""
    fields = _read(f"/proc/{pid}/statm").split()
    if len(fields) < 3:
        return None
    return MemoryUse(int(fields[1]) * PAGE_BYTES, int(fields[2]) * PAGE_BYTES)


def resident_bytes(pids: Iterable[int]) -> int:
    """Estimate what processes that belong together hold in memory.

    What each has for itself adds up; of what they have mapped, much is the same (the program,
    its libraries), so only the largest counts. Pages shared since a fork count for each.
    """
    own, shared = 0, 0
    for pid in pids:
        use = memory_use(pid)
        if use is not None:
            own += use.resident_bytes - use.shared_bytes
            shared = max(shared, use.shared_bytes)
    return own + shared


def process_io(pid: int) -> ProcessIo | None:
    """Read what a process moved; None where it is gone or not ours. Source: proc_pid_io(5)."""
    found = {}
    for line in _read(f"/proc/{pid}/io").splitlines():
        key, _, value = line.partition(b": ")
        found[key] = value
    try:
        return ProcessIo(int(found[b"read_bytes"]), int(found[b"write_bytes"]))
    except KeyError:
        return None


class ProcessTable:
    """The trees below some processes, by one pass over /proc each time.

    Processes that were found to be none of ours are looked at again only every tenth pass: none
    becomes ours later, as an orphan goes to a parent of ours only if it came from there. A pid
    used again for one of ours is therefore seen within ten passes.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.stats: dict[int, ProcessStat] = {}
        self._foreign: set[int] = set()
        self._passes = 0

    def scan(self, roots: Iterable[int]) -> Mapping[int, list[int]]:
        """Give for each root the pids of its living tree, itself first.

        A root inside the tree of another has its own entry, and is not in the other's.
        """
        wanted = set(roots)
        if self._passes % _RESCAN_EVERY == 0:
            self._foreign.clear()
        self._passes += 1
        present = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._foreign &= present
        self._foreign -= wanted
        children: dict[int, list[int]] = defaultdict(list)
        self.stats = {}
        for pid in present - self._foreign:
            found = process_stat(pid)
            if found is not None:
                self.stats[pid] = found
                children[found.ppid].append(pid)
        trees = {root: self._tree(root, children, wanted) for root in wanted}
        ours = {pid for tree in trees.values() for pid in tree}
        self._foreign |= present - ours
        return trees

    def _tree(self, root: int, children: Mapping[int, list[int]], wanted: set[int]) -> list[int]:
        tree: list[int] = []
        todo = [root] if root in self.stats else []
        while todo:
            pid = todo.pop()
            tree.append(pid)
            todo += [child for child in children.get(pid, ()) if child not in wanted]
        return tree
