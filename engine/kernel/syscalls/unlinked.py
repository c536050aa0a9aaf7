"""Paths with no symbolic link on the way: whoever put one there since is not followed."""

import ctypes
import errno
import os
import struct

from engine.kernel.syscalls import KernelError, libc, open_tree

_AT_FDCWD = -100
_SYS_OPENAT2 = 437
_RESOLVE_NO_SYMLINKS = 0x04
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_dir_without_links(path: str) -> bool:
    """Tell whether a path is a folder and no part of it a symbolic link; False also if unknown."""
    try:
        fd = open_path(path, os.O_DIRECTORY)
    except OSError:
        return False
    os.close(fd)
    return True


def open_tree_unlinked(path: str) -> int:
    """Copy the mounts at a path, as `open_tree`; a final link is copied itself.

    Raises:
        KernelError: ELOOP or ENOTDIR where there is a link on the way.
    """
    fd = open_path(path, os.O_NOFOLLOW)
    try:
        return open_tree("", fd)
    except KernelError as error:
        raise KernelError(error.errno or errno.EIO, error.syscall, path) from error
    finally:
        os.close(fd)


def open_path(path: str, flags: int) -> int:
    """Open an absolute path with O_PATH and these flags. Source: openat2(2), Linux 5.6.

    Raises:
        KernelError: As `open_tree_unlinked`.
    """
    flags |= os.O_PATH | os.O_CLOEXEC
    how = struct.pack("QQQ", flags, 0, _RESOLVE_NO_SYMLINKS)
    size = ctypes.c_size_t(len(how))
    fd = int(libc.syscall(_SYS_OPENAT2, _AT_FDCWD, os.fsencode(path), how, size))
    number = ctypes.get_errno()
    if fd >= 0:
        return fd
    if number != errno.ENOSYS:
        raise KernelError(number, "openat2", path)
    # RestrictSUIDSGID of systemd.exec(5) refuses the call, whose arguments no filter can see.
    return _step_by_step(path, flags)


def _step_by_step(path: str, flags: int) -> int:
    *folders, name = [part for part in path.split("/") if part] or ["."]
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        raise KernelError(error.errno or errno.EIO, "openat", path) from error
    finally:
        os.close(fd)
