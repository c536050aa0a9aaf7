"""What a program sees of the host's files: covers, masks, an own /dev, read-only places.

Runs in the forked child with the privileges to mount; the standard library and system calls only.
A device of the host is bound read-only: the device can be written as ever, but its node's mode
and owner, which are the host's, cannot be changed.
"""

import errno as errnos
import os
import re
import stat
from collections.abc import Iterable

from engine.kernel import syscalls
from engine.kernel.syscalls.unlinked import open_tree_unlinked

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""The nodes of an own /dev: those that belong to nobody."""

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
KERNELS = ("/proc", "/sys", "/dev")
"""Where every root has something of the kernel's, or of gVisor's."""

_LAYERS = "/dev/shm"  # noqa: S108 - every /dev has it, and what is seen there later is another
_READONLY = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY
_NO_DEVICES = syscalls.MS_NOSUID | syscalls.MS_NODEV
_NOTHING = _NO_DEVICES | syscalls.MS_NOEXEC

_taken: list[tuple[str, int]] = []
"""Trees that wait for `attach` or `enter_root`, in the order they were taken."""


def cover(path: str, keep: Iterable[str], mode: int, size: str = "") -> None:
    """Cover a directory by an empty one, in which some of what it held is seen again.

    Args:
        path: The directory.
        keep: Paths below it, none below another.
        mode: Permissions of the cover; it is read-only where these let nobody write.
        size: How much may be written there, as tmpfs takes it; "" for half of the memory.
    """
    trees = [(target, open_tree_unlinked(target)) for target in keep]
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
    spared = [(target, open_tree_unlinked(target)) for target in writable]
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
    # What was opened before lies on the host's mount, where its mode could be changed.
    fd = os.open(f"{path}/null", os.O_RDWR | os.O_NOCTTY)
    os.dup2(fd, 0)
    os.close(fd)


def _attach(tree: int, target: str) -> None:
    """Mount a tree at a path that is made for it where it is not there."""
    _make_point(target, is_dir=stat.S_ISDIR(os.fstat(tree).st_mode))
    syscalls.move_mount(tree, target)


def _make_point(target: str, *, is_dir: bool) -> None:
    """Make a mount point, open to whoever the program will run as."""
    mask = os.umask(0o022)
    os.makedirs(target if is_dir else os.path.dirname(target), exist_ok=True)
    if not is_dir and not os.path.exists(target):
        os.mknod(target)
    os.umask(mask)


def take(source: str, target: str, mode: str) -> None:
    """Copy what is at a path, with all that is mounted below, to be seen at another one.

    Args:
        source: The path, without links: whoever put one there since is not followed.
        target: Where it is going to be.
        mode: "ro" or "rw".
    """
    try:
        tree = open_tree_unlinked(source)
        if mode == "ro":
            syscalls.set_readonly("", tree)
    except syscalls.KernelError as error:
        raise syscalls.KernelError(error.errno or errnos.EIO, "open_tree", source) from error
    _taken.append((target, tree))


def attach() -> None:
    """Let what was taken be seen; a target that is not there is made where that can be written."""
    for target, tree in _taken:
        _attach(tree, target)
    _taken.clear()


def enter_root(path: str, own: Iterable[str], mode: str, beside: str = "") -> None:
    """Make a folder the root, with what was taken in it; the old root is gone then.

    An overlay in memory lies over the folder: there the mount points are made, and nothing is
    ever written to it. Source: Documentation/filesystems/overlayfs.rst.

    Args:
        path: The folder.
        own: Folders that everybody may write there, in memory.
        mode: Of the rest, "ro" or "rw"; what is written there goes with the instance.
        beside: Where the root is to be attached instead, taken as the only one.
    """
    base = _LAYERS
    syscalls.mount("tmpfs", base, "tmpfs", _NO_DEVICES, "mode=755")
    for name in ("upper", "work", "root"):
        os.mkdir(f"{base}/{name}", 0o755)
    options = f"lowerdir={path},upperdir={base}/upper,workdir={base}/work"
    syscalls.mount("overlay", f"{base}/root", "overlay", syscalls.MS_NODEV, options)
    before = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(f"{base}/root")
    if beside:
        os.chroot(".")  # paths are to be followed as they will be: links lead nowhere else
    else:
        _leave_root()
    os.chdir("/")
    _furnish(own, mode)
    if beside:
        tree = syscalls.open_tree("/")
        os.fchdir(before)
        os.chroot(".")
        _taken.append((beside, tree))
    os.close(before)


def _leave_root() -> None:
    """Make the working directory, a mount, the root; the old one is gone then.

    The root of an initramfs cannot be put away: the new one is moved onto it, as by switch_root(8),
    and what else is mounted on it is unmounted. Source: pivot_root(2), "NOTES".
    """
    try:
        syscalls.pivot_root(".", ".")
        syscalls.umount2(".", syscalls.MNT_DETACH)
        return
    except syscalls.KernelError as error:
        below = _mounted_on_first_root() if error.errno == errnos.EINVAL else None
        if below is None:
            raise
    syscalls.mount(".", "/", "", syscalls.MS_MOVE)
    for path in below:
        syscalls.umount2(path, syscalls.MNT_DETACH)
    os.chroot(".")


def _mounted_on_first_root() -> list[str] | None:
    """List what is mounted on this root, the newest first; None if it is no namespace's first.

    That one alone is its own parent. A chroot into a folder is no mount, and has none to move.
    Source: proc_pid_mountinfo(5), fs/namespace.c.
    """
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split(" ", 5)[:5] for line in file]
    root = next((ident for ident, parent, *_, at in mounts if at == "/" and ident == parent), None)
    if root is None:
        return None
    points = [at for ident, parent, *_, at in mounts if parent == root != ident]
    return [_unescaped(at) for at in reversed(points)]


def _unescaped(path: str) -> str:
    """Read a path of mountinfo, where blanks and the like are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _furnish(own: Iterable[str], mode: str) -> None:
    """Make all mount points, close the root, and let what was taken be seen."""
    for folder in (*own, *KERNELS):
        os.makedirs(folder, exist_ok=True)
    for target, tree in _taken:
        if os.path.islink(target):
            os.unlink(target)  # in the overlay: whoever prepared the folder finds it as it was
        _make_point(target, is_dir=stat.S_ISDIR(os.fstat(tree).st_mode))
    if mode == "ro":
        syscalls.set_readonly("/")
    for folder in own:
        syscalls.mount("tmpfs", folder, "tmpfs", _NO_DEVICES, "mode=1777")
    attach()
