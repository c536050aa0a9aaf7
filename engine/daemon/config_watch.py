"""Sees that the config file changed, however an editor or a deployment changes it.

The folder is watched, not the file: editors replace files by renaming. Where the path is a
symbolic link, so are the folders on its way, because a deployment may exchange any of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from engine.daemon import tasks

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

DEBOUNCE_MS = 100
"""A change is told once the file has been quiet that long."""

MAX_DEBOUNCE_MS = 1000
"""A file that is written all the time is told this often."""

POLL_SECONDS = 2.0
"""Without any notice the file is looked at this often: for file systems that give none."""

_READ_BYTES = 16 * 1024 * 1024
_MAX_LINKS = 40

Fingerprint = tuple[object, ...]


class ConfigWatch:
    """Calls back after each change of the file's content, its end and its coming back included."""

    def __init__(self, path: str | Path, on_change: Callable[[], object]) -> None:
        """Take the path, which need not exist, and what to call on the loop.

        What the file holds now counts as known.
        """
        self._path = _absolute(Path(path))
        self._on_change = on_change
        self._known = fingerprint(self._path)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._task is None:
            self._task = tasks.spawn(self.run(), name=f"watch {self._path}")

    async def stop(self) -> None:
        """Watch no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            folders = watched_folders(self._path)
            try:
                await self._watch(folders)
            except (OSError, RuntimeError) as error:
                # No inotify instance left, or a folder vanished while it was being added. What
                # watchfiles has no name for is a RuntimeError.
                _log.warning("watching %s by looking at it: %s", self._path, error)
            if not folders or folders == watched_folders(self._path):
                await asyncio.sleep(POLL_SECONDS)
            self._look()

    async def _watch(self, folders: dict[Path, tuple[int, int]]) -> None:
        """Watch until the folders to watch are others."""
        if not folders:
            return
        self._look()  # a change that came between two watches
        async for _ in awatch(
            *folders,
            watch_filter=None,
            recursive=False,  # the data directory may lie in the same folder
            step=DEBOUNCE_MS,
            debounce=MAX_DEBOUNCE_MS,
            rust_timeout=int(POLL_SECONDS * 1000),
            yield_on_timeout=True,
        ):
            self._look()
            if watched_folders(self._path) != folders:
                return

    def _look(self) -> None:
        now = fingerprint(self._path)
        if now == self._known:
            return
        self._known = now
        try:
            self._on_change()
        except Exception:  # noqa: BLE001 - the next change must be seen all the same
            _log.exception("taking the change of %s failed", self._path)


def fingerprint(path: Path) -> Fingerprint:
    """Tell one content from another; a file that cannot be read has the reason for one.

    Never waits: a pipe in the file's place is not opened for its content.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        return ("unreadable", error.errno)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return ("no file", stat.S_IFMT(status.st_mode))
        if status.st_size > _READ_BYTES:
            return ("large", status.st_ino, status.st_size, status.st_mtime_ns)
        with os.fdopen(fd, "rb", closefd=False) as file:
            return ("content", hashlib.sha256(file.read(_READ_BYTES)).digest())
    except OSError as error:
        return ("unreadable", error.errno)
    finally:
        os.close(fd)


def watched_folders(path: Path) -> dict[Path, tuple[int, int]]:
    """Find the folders in which a change may put another file at `path`.

    These hold the path itself and every symbolic link on the way to the file.

    Returns: those that are there, with device and inode: a folder made anew is another one.
    """
    found: dict[Path, tuple[int, int]] = {}
    todo = [path]
    for _ in range(_MAX_LINKS):
        if not todo:
            break
        current = _absolute(todo.pop())
        _add_folder(found, current.parent)
        for link in (current, *current.parents):
            if link.is_symlink():
                _add_folder(found, link.parent)
                with suppress(OSError):
                    todo.append(link.parent / link.readlink() / current.relative_to(link))
    return found


def _add_folder(found: dict[Path, tuple[int, int]], folder: Path) -> None:
    with suppress(OSError):
        status = folder.stat()
        if stat.S_ISDIR(status.st_mode):
            found[folder] = (status.st_dev, status.st_ino)


def _absolute(path: Path) -> Path:
    """Make it absolute and leave links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow them
