"""How much the instances' data directories hold.

A tenant owns what is measured here: the walk is `engine.kernel.trees`, and its time is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import stat
import time
from typing import TYPE_CHECKING

import msgspec

from engine.daemon import tasks
from engine.kernel import project_quota
from engine.kernel.trees import OPEN_FLAGS, Walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

BUDGET_SECONDS = 5.0
"""Longest walk of one instance's tree; what was counted by then is what is told."""

_REST_EVERY = 512
_BLOCK_BYTES = 512
"""Unit of st_blocks. Source: inode(7)."""

_REST_SECONDS = 0.002


class Usage(msgspec.Struct, frozen=True):
    """What a tree holds.

    Attributes:
        size_bytes: Of its regular files, the length, or what is taken on disk where that is more;
            of folders and all else, what is taken; a block that is not full is not counted. A
            file with several names counts once.
            Of a folder with a hard quota: what the file system says that it takes.
        files: How many there are.
        is_complete: False where time ran out, a folder could not be read or was moved away.
    """

    size_bytes: int = 0
    files: int = 0
    is_complete: bool = True


class _Count:
    """What a walk has counted."""

    def __init__(self, deadline: float) -> None:
        self.size_bytes = 0
        self.files = 0
        self._deadline = deadline
        self._seen: set[int] = set()
        self._entries = 0

    def add(self, _: int, entry: os.DirEntry[str]) -> bool:
        """Count an entry; tell whether there is time for more."""
        with contextlib.suppress(OSError):  # removed meanwhile
            self._add(entry.stat(follow_symlinks=False))
        self._entries += 1
        if self._entries % _REST_EVERY:
            return True
        # The loop's thread wants the interpreter as well.
        time.sleep(_REST_SECONDS)
        return time.monotonic() <= self._deadline

    def _add(self, status: os.stat_result) -> None:
        taken = status.st_blocks * _BLOCK_BYTES
        # That the last block is not full is not the tenant's doing.
        beyond = taken - status.st_blksize
        if stat.S_ISDIR(status.st_mode):
            self.size_bytes += max(beyond, 0)
            return
        if status.st_nlink > 1:
            if status.st_ino in self._seen:
                return
            self._seen.add(status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            self.size_bytes += taken
            return
        self.files += 1
        # A sparse file can be filled to its length; blocks kept beyond it are taken now.
        self.size_bytes += max(status.st_size, beyond)


def measure(path: str | Path, budget_seconds: float = BUDGET_SECONDS) -> Usage:
    """Add up a tree; one that does not exist holds nothing. For a worker thread."""
    if known := project_quota.look(str(path)):
        return Usage(known.used_bytes, known.files)
    deadline = time.monotonic() + budget_seconds
    try:
        root = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        return Usage()
    except OSError:
        return Usage(is_complete=False)
    count = _Count(deadline)
    walk = Walk(root, count.add)
    try:
        walk.run()
    finally:
        walk.close()
    return Usage(count.size_bytes, count.files, walk.is_complete)


class StorageMeter:
    """Measures the data directories of all watched instances, one at a time, in a thread.

    How long a directory then rests is asked for after each measurement; a newly watched one is
    measured at once.
    """

    def __init__(
        self,
        on_measured: Callable[[str, int], None],
        rest_seconds: Callable[[str, float], float],
    ) -> None:
        """Measure nothing yet.

        Args:
            on_measured: Called on the loop with a name and its bytes, after each measurement.
            rest_seconds: Asked on the loop with a name and the seconds its walk took: when to
                measure it again.
        """
        self._on_measured = on_measured
        self._rest_seconds = rest_seconds
        self._paths: dict[str, Path] = {}
        self._used: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._is_new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def watch(self, name: str, path: Path) -> None:
        """Measure this directory from now on."""
        if self._paths.get(name) != path:
            self._paths[name] = path
            self.hurry(name)

    def hurry(self, name: str) -> None:
        """Measure it as soon as possible; unknown names are fine."""
        if name in self._paths:
            self._due[name] = 0.0
            self._is_new.set()

    def unwatch(self, name: str) -> None:
        """Measure it no more, and forget what it held."""
        self._paths.pop(name, None)
        self._used.pop(name, None)
        self._due.pop(name, None)

    def used(self, name: str) -> int:
        """Bytes as last measured, 0 before the first time."""
        return self._used.get(name, 0)

    def start(self) -> None:
        """Begin to measure."""
        if self._task is None:
            self._task = tasks.spawn(self.run(), name="storage")

    async def stop(self) -> None:
        """Measure no more; a walk under way ends by itself, within its budget."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            name = min(self._due, key=self._due.__getitem__, default="")
            if name and self._due[name] <= loop.time():
                await self._measure(name)
                continue
            self._is_new.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._due[name] if name else None):
                    await self._is_new.wait()

    async def _measure(self, name: str) -> None:
        path, begin = self._paths[name], time.monotonic()
        self._due[name] = math.inf  # unless it is hurried meanwhile
        usage = await asyncio.to_thread(measure, path)
        if self._paths.get(name) != path:
            return
        self._take(name, usage)
        if self._due[name] == math.inf:
            rest = self._rest_seconds(name, time.monotonic() - begin)
            self._due[name] = asyncio.get_running_loop().time() + rest

    def _take(self, name: str, usage: Usage) -> None:
        # A walk that was cut short has seen at least this much, and before it there was more.
        used = usage.size_bytes
        if not usage.is_complete:
            used = max(used, self._used.get(name, 0))
        self._used[name] = used
        try:
            self._on_measured(name, used)
        except Exception:  # noqa: BLE001 - the other instances are measured all the same
            _log.exception("taking the storage of %s failed", name)
