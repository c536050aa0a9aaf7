"""Figures of process trees, from /proc by psutil."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from engine.kernel.syscalls.process import boot_id, start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TreeFigures", "boot_id", "descendants", "start_ticks", "tree_figures"]


class TreeFigures(NamedTuple):
    """What a process and all its descendants use together.

    Attributes:
        cpu_seconds: Of those that live now; falls when one of them ends.
        rss_bytes: Resident memory; pages shared among them count for each.
        read_bytes, written_bytes: To storage, by those whose figures may be read.
        pids: How many processes there are.
    """

    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    pids: int = 0


def descendants(roots: Iterable[int]) -> dict[int, list[int]]:
    """Give for each root the pids of its living tree, itself first: one pass over /proc.

    A root inside the tree of another has its own entry, and is not in the other's.
    """
    wanted = set(roots)
    below: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        below.setdefault(process.info["ppid"], []).append(process.pid)
    found: dict[int, list[int]] = {}
    for root in wanted:
        tree, todo = [], [root]
        while todo:
            pid = todo.pop()
            tree.append(pid)
            todo += [child for child in below.get(pid, ()) if child not in wanted]
        found[root] = tree
    return found


def tree_figures(roots: Iterable[int]) -> dict[int, TreeFigures]:
    """Add up what each root's tree uses; a root that is gone has zero pids."""
    return {root: _add_up(tree) for root, tree in descendants(roots).items()}


def _add_up(tree: list[int]) -> TreeFigures:
    cpu, rss, read, written, pids = 0.0, 0, 0, 0, 0
    for pid in tree:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            continue  # it ended meanwhile
        pids += 1
        cpu += times.user + times.system
        rss += memory.rss
        try:
            io = process.io_counters()
        except (psutil.Error, AttributeError):
            continue
        read += io.read_bytes
        written += io.write_bytes
    return TreeFigures(cpu, rss, read, written, pids)
