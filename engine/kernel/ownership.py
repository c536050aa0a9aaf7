"""Giving a tenant's folder to another user, whatever the tenant has put in it.

Source: chown(2), open(2) on O_PATH, capabilities(7).
"""

from __future__ import annotations

import os
import stat

from engine.kernel.syscalls import chown_fd
from engine.kernel.trees import OPEN_FLAGS, Walk

_ENTRY_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give_folder(path: str, uid: int, gid: int) -> int:
    """Give a folder, and all in it that has the folder's owner now, to a user.

    What belongs to somebody else stays as it is, and so does a file with several names: one of
    these may be outside, planted to be given away. The folder itself comes last, so that a walk
    that was cut short is done again; where it has that owner already, nothing is walked.

    Returns: how many entries with several names were left alone.

    Raises:
        OSError: It is no folder, or a link; or giving is not allowed.
    """
    root = os.open(path, OPEN_FLAGS)
    status = os.fstat(root)
    gift = _Gift(status.st_uid, uid, gid)
    walk = Walk(root, gift.give)
    try:
        if status.st_uid != uid:
            walk.run()
    finally:
        walk.close()
    if status.st_uid != uid or stat.S_IMODE(status.st_mode) & 0o077:
        _give_root(path, uid, gid)
    return gift.spared


def _give_root(path: str, uid: int, gid: int) -> None:
    fd = os.open(path, OPEN_FLAGS)
    try:
        os.fchown(fd, uid, gid)
        os.fchmod(fd, 0o700)
    finally:
        os.close(fd)


class _Gift:
    """Entries given away one by one, each opened first: a name may be swapped at any time."""

    def __init__(self, from_uid: int, uid: int, gid: int) -> None:
        self.spared = 0
        self._from_uid = from_uid
        self._to = uid, gid

    def give(self, folder: int, entry: os.DirEntry[str]) -> bool:
        """Give one entry of a folder; the walk always goes on."""
        try:
            fd = os.open(entry.name, _ENTRY_FLAGS, dir_fd=folder)
        except FileNotFoundError:
            return True
        try:
            status = os.fstat(fd)
            if status.st_uid != self._from_uid:
                return True
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                self.spared += 1
                return True
            chown_fd(fd, *self._to)
        finally:
            os.close(fd)
        return True
