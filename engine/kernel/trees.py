"""Walking a folder that a tenant owns.

Nothing the tenant builds may lead the walk astray: links are not followed, other file systems not
entered, a tree of any depth is walked with one open folder and no recursion. The way back up is
by "..", believed only if it leads to the folder the walk came from.
"""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_SAID_LENGTH = 200


def remove_tree(path: str) -> None:
    """Remove a folder and all in it; one that is not there is removed. For a worker thread.

    By rm(1): Python's own way goes as deep as its stack allows, and a tenant's tree is deeper.

    Raises:
        OSError: Something could not be removed; all else is.
    """
    command = ["rm", "-rf", "--one-file-system", "--", path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - names nothing of a tenant's
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise OSError(errno.EIO, said[:_SAID_LENGTH])


class _Level(msgspec.Struct):
    """A folder on the way down: which it is, and its subfolders still to be entered."""

    device: int
    inode: int
    folders: list[str]


class Walk:
    """One walk through a tree, holding one folder open at a time.

    Attributes:
        fd: The folder it is in.
        is_complete: False where a folder could not be read or was moved away, and where the walk
            was told to end.
    """

    def __init__(self, root: int, on_entry: Callable[[int, os.DirEntry[str]], bool]) -> None:
        """Begin in a folder.

        Args:
            root: Its descriptor, closed by `close`.
            on_entry: Called with the folder's descriptor and everything in it, folders before what
                they hold; the walk ends where it gives False.
        """
        self.fd = root
        self.is_complete = True
        self._on_entry = on_entry
        status = os.fstat(root)
        self._device = status.st_dev
        self._levels = [_Level(status.st_dev, status.st_ino, [])]

    def run(self) -> None:
        """Walk until the end, or until told to end."""
        self._levels[0].folders = self._list()
        while self._levels:
            level = self._levels[-1]
            if level.folders:
                self._enter(level.folders.pop())
            elif not self._leave():
                return

    def close(self) -> None:
        """Close the folder it is in."""
        os.close(self.fd)

    def _enter(self, name: str) -> None:
        try:
            fd = os.open(name, OPEN_FLAGS, dir_fd=self.fd)
        except FileNotFoundError:
            return
        except OSError:
            self.is_complete = False
            return
        status = os.fstat(fd)
        if status.st_dev != self._device:
            os.close(fd)
            return
        os.close(self.fd)
        self.fd = fd
        self._levels.append(_Level(status.st_dev, status.st_ino, self._list()))

    def _leave(self) -> bool:
        """Go back up; False where the walk is over."""
        self._levels.pop()
        if not self._levels:
            return False
        above = self._levels[-1]
        try:
            fd = os.open("..", OPEN_FLAGS, dir_fd=self.fd)
        except OSError:
            self.is_complete = False
            return False
        os.close(self.fd)
        self.fd = fd
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != (above.device, above.inode):
            # Moved while it was walked: where this leads is none of the tree.
            self.is_complete = False
            return False
        return True

    def _list(self) -> list[str]:
        """Show the open folder's entries and name its subfolders."""
        folders = []
        try:
            with os.scandir(self.fd) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    if not self._on_entry(self.fd, entry):
                        self._stop()
                        return []
        except OSError:
            self.is_complete = False
        return folders

    def _stop(self) -> None:
        self.is_complete = False
        for level in self._levels:
            level.folders = []
        del self._levels[1:]
