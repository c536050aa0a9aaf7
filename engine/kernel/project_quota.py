"""Project quotas: folders whose contents count as one, with a limit that the file system keeps.

A folder carries the number of its project, and what is made in it inherits that number.

Source: ioctl_fssetxattr(2) and linux/fs.h (struct fsxattr), quotactl(2) and linux/quota.h (struct
if_dqblk), quotactl_fd of Linux 5.14.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

from engine.kernel.syscalls import quotactl_fd
from engine.kernel.trees import OPEN_FLAGS, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = 1 << 30, (1 << 31) - 1
"""Projects of ours: far above what people number by hand."""

_GET, _SET = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
_FSXATTR = struct.Struct("=IIIII8x")  # xflags, extsize, nextents, projid, cowextsize
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT
_DQBLK = struct.Struct("=8QI4x")
_BLOCK_LIMITS = 1  # QIF_BLIMITS
_BLOCK_BYTES = 1024  # QIF_DQBLKSIZE
_PRJQUOTA = 2
_Q_GETQUOTA, _Q_SETQUOTA = (0x800007 << 8) | _PRJQUOTA, (0x800008 << 8) | _PRJQUOTA
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Quota(NamedTuple):
    """What the file system knows of a project.

    Attributes:
        limit_bytes: 0 where there is none.
        used_bytes: Blocks, not lengths: a file with holes counts for what it takes.
        files: Files, folders and links.
    """

    limit_bytes: int
    used_bytes: int
    files: int


def hold(folder: str, limit_bytes: int) -> None:
    """Limit what a folder may hold, in whole KiB; its project is made where it has none of ours.

    Raises:
        OSError: The file system has no project quotas (ENOTTY, EOPNOTSUPP, ENOSYS) or keeps none
            (ESRCH), or this is not root's to do (EPERM).
    """
    with _opened(folder) as fd:
        _set_limit(fd, _give_project(fd, folder), limit_bytes)


def release(folder: str) -> None:
    """Lift the limit of a folder that `hold` has given one; others are left as they are.

    Raises:
        OSError: As `hold`.
    """
    with _opened(folder) as fd:
        if project := _own_project(fd):
            _set_limit(fd, project, 0)


def look(folder: str) -> Quota | None:
    """Tell what a folder with a project of ours holds, without a walk; None for any other."""
    try:
        with _opened(folder) as fd:
            project = _own_project(fd)
            return _get_quota(fd, project) if project else None
    except OSError:
        return None


def try_out(folder: str) -> None:
    """Ask for a quota, changing nothing.

    Raises:
        OSError: As `hold`.
    """
    with _opened(folder) as fd:
        _get_quota(fd, FIRST)


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    fd = os.open(folder, OPEN_FLAGS)
    try:
        yield fd
    finally:
        os.close(fd)


def _give_project(root: int, folder: str) -> int:
    """Give the number of a folder's project, which it and all in it now have.

    The folder itself comes last, after two whole walks: one that was cut short is done again. The
    second finds what was made in a folder before the first had marked that.

    Raises:
        OSError: A walk was not whole.
    """
    if project := _own_project(root):
        return project
    project = _unused(root, folder)

    def mark(at: int, entry: os.DirEntry[str]) -> bool:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder or entry.is_file(follow_symlinks=False):
            # Removed or swapped meanwhile: nobody but its owner can have done that.
            with contextlib.suppress(OSError):
                _mark_entry(at, entry.name, project)
        return True

    for _ in range(2):
        walk = Walk(os.open(folder, OPEN_FLAGS), mark)
        try:
            walk.run()
        finally:
            walk.close()
        if not walk.is_complete:
            raise OSError(errno.EBUSY, "not all of it could be looked at", folder)
    _mark(root, project, is_folder=True)
    return project


def _mark_entry(at: int, name: str, project: int) -> None:
    fd = os.open(name, _FILE_FLAGS, dir_fd=at)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            _mark(fd, project, is_folder=stat.S_ISDIR(mode))
    finally:
        os.close(fd)


def _mark(fd: int, project: int, *, is_folder: bool) -> None:
    flags, extent, extents, before, cow = _attributes(fd)
    if before == project and (flags & _INHERIT or not is_folder):
        return
    flags |= _INHERIT if is_folder else 0
    fcntl.ioctl(fd, _SET, _FSXATTR.pack(flags, extent, extents, project, cow))


def _attributes(fd: int) -> tuple[int, ...]:
    return _FSXATTR.unpack(fcntl.ioctl(fd, _GET, bytes(_FSXATTR.size)))


def _own_project(fd: int) -> int:
    """Give the number of a folder's project; 0 where it is none of ours, or not inherited."""
    flags, _, _, project, _ = _attributes(fd)
    return project if FIRST <= project <= LAST and flags & _INHERIT else 0


def _unused(fd: int, folder: str) -> int:
    """Choose a number by the folder's path, one that nothing on the file system has."""
    path = os.fsencode(os.path.realpath(folder))
    for turn in range(1000):
        digest = hashlib.sha256(b"%d %s" % (turn, path)).digest()
        project = FIRST | int.from_bytes(digest[:4], "big") & (FIRST - 1)
        if not _get_quota(fd, project).files:
            return project
    raise OSError(errno.ENOSPC, "no number is left for a project", folder)


def _get_quota(fd: int, project: int) -> Quota:
    found = bytearray(_DQBLK.size)
    try:
        quotactl_fd(fd, _Q_GETQUOTA, project, found)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return Quota(0, 0, 0)  # XFS: nothing has it yet
    limit, _, used, _, _, files, *_ = _DQBLK.unpack(found)
    return Quota(limit * _BLOCK_BYTES, used, files)


def _set_limit(fd: int, project: int, limit_bytes: int) -> None:
    blocks = -(-limit_bytes // _BLOCK_BYTES)
    if _get_quota(fd, project).limit_bytes != blocks * _BLOCK_BYTES:
        wanted = _DQBLK.pack(blocks, 0, 0, 0, 0, 0, 0, 0, _BLOCK_LIMITS)
        quotactl_fd(fd, _Q_SETQUOTA, project, bytearray(wanted))
