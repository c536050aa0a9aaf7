"""What a program sees of the host's files: covers, masks, an own /dev, read-only places.

Runs in the forked child with the privileges to mount; the standard library and system calls only.
A device of the host is bound read-only: the device can be written as ever, but its node's mode
and owner, which are the host's, cannot be changed.
"""

import errno as errnos
import os
import stat
from collections.abc import Iterable

from engine.kernel import syscalls

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""The nodes of an own /dev: those that belong to nobody."""

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_READONLY = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY
_NO_DEVICES = syscalls.MS_NOSUID | syscalls.MS_NODEV
_NOTHING = _NO_DEVICES | syscalls.MS_NOEXEC


def cover(path: str, keep: Iterable[str], mode: int, size: str = "") -> None:
    """Cover a directory by an empty one, in which some of what it held is seen again.

    Args:
        path: The directory.
        keep: Paths below it, none below another.
        mode: Permissions of the cover; it is read-only where these let nobody write.
        size: How much may be written there, as tmpfs takes it; "" for half of the memory.
    """
    trees = [(target, syscalls.open_tree(target)) for target in keep]
    options = f"mode={mode:o},size={size}" if size else f"mode={mode:o}"
    syscalls.mount("tmpfs", path, "tmpfs", _NO_DEVICES, options)
    for target, tree in trees:
        _attach(tree, target)
    if not mode & 0o222:
        syscalls.mount("", path, "", _NO_DEVICES | _READONLY)


def mask(paths: Iterable[str]) -> None:
    """Make files empty and directories closed, without a word where there are none."""
    for path in paths:
        try:
            syscalls.mount("/dev/null", path, "", syscalls.MS_BIND)
        except syscalls.KernelError as error:
            if error.errno == errnos.ENOTDIR:  # no file goes over a directory
                flags = _NOTHING | syscalls.MS_RDONLY
                syscalls.mount("tmpfs", path, "tmpfs", flags, "mode=0,size=4k")
            elif error.errno != errnos.ENOENT:
                raise


def protect(paths: Iterable[str], writable: Iterable[str]) -> None:
    """Make directories read-only with all that is mounted below, but some paths.

    Args:
        paths: Directories, mount points or not.
        writable: Paths below one of them that stay as they are.
    """
    spared = [(target, syscalls.open_tree(target)) for target in writable]
    for path in paths:
        if path != "/":
            syscalls.mount(path, path, "", syscalls.MS_BIND | syscalls.MS_REC)
        syscalls.set_readonly(path)
    for target, tree in spared:
        syscalls.move_mount(tree, target)


def make_dev(path: str, keep: Iterable[str], pts_options: str) -> None:
    """Cover /dev by an own one: `DEVICES`, terminals, shared memory, and what was named.

    Args:
        path: "/dev".
        keep: Devices and directories of devices of the host that are seen again.
        pts_options: For the own instance of devpts.
    """
    nodes = [*(f"{path}/{name}" for name in DEVICES), *keep]
    trees = [(node, syscalls.open_tree(node)) for node in nodes]
    syscalls.mount("tmpfs", path, "tmpfs", syscalls.MS_NOSUID, "mode=755,size=64k")
    own = f"{path}/shm/"
    for name in ("pts", "shm"):
        os.mkdir(f"{path}/{name}")
    for name, target in _LINKS:
        os.symlink(target, f"{path}/{name}")
    for node, tree in trees:
        if not node.startswith(own):
            _attach(tree, node)
    syscalls.set_readonly(path)
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    syscalls.mount("devpts", f"{path}/pts", "devpts", flags, pts_options)
    syscalls.mount("tmpfs", f"{path}/shm", "tmpfs", flags | syscalls.MS_NODEV, "mode=1777")
    for node, tree in trees:
        if node.startswith(own):
            _attach(tree, node)


def _attach(tree: int, target: str) -> None:
    """Mount a tree at a path that is made for it, open to whoever the program will run as."""
    mask = os.umask(0o022)
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        try:
            os.mknod(target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target))
            os.mknod(target)
    os.umask(mask)
    syscalls.move_mount(tree, target)
