"""System calls that Python 3.11 lacks, by ctypes; imports the standard library only.

Each wrapper is a few lines and fails through `_check`, with the call's name and its path.
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterable

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NAMESPACES = {
    "mount": CLONE_NEWNS,
    "cgroup": CLONE_NEWCGROUP,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "net": CLONE_NEWNET,
}
"""Namespaces by the names used in plans."""

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAPABILITIES = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio
sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
""".split()  # noqa: SIM905 - forty lines otherwise
"""Capability names in the order of their numbers. Source: capabilities(7)."""

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOUNT_ATTR_RDONLY = 0x1
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442
_RESOLVE_NO_SYMLINKS = 0x04

_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO_BYTES = 64
_PIDFD_GET_INFO = 0xC000FF0B | _PIDFD_INFO_BYTES << 16
_PIDFD_INFO_EXIT_CODE_AT = 60


class KernelError(OSError):
    """A system call failed.

    Attributes:
        syscall: Its name.
        filename: The path it was about, or None.
    """

    def __init__(self, errno: int, syscall: str, path: str = "") -> None:
        """Say it as OSError does, and keep the name of the call."""
        super().__init__(errno, os.strerror(errno), path or None)
        self.syscall = syscall

    def __str__(self) -> str:
        """Give the call, the path and the kernel's word, for example "mount /proc: ..."."""
        place = f" {self.filename}" if self.filename else ""
        return f"{self.syscall}{place}: {self.strerror}"


def _check(result: int, syscall: str, path: str = "") -> int:
    if result < 0:
        raise KernelError(ctypes.get_errno(), syscall, path)
    return result


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; CLONE_NEWPID holds for children only."""
    _check(libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter namespaces of a pidfd or of a /proc/PID/ns file; for this thread."""
    _check(libc.setns(fd, flags), "setns")


def mount(source: str, target: str, fstype: str, flags: int = 0, data: str = "") -> None:
    """Mount, bind, remount or change propagation.

    Source: mount(2).
    """
    result = libc.mount(
        source.encode(),
        target.encode(),
        fstype.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, "mount", target)


def umount2(target: str, flags: int = 0) -> None:
    """Unmount.

    Source: umount2(2).
    """
    _check(libc.umount2(target.encode(), flags), "umount2", target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Change the root mount.

    Source: pivot_root(2).
    """
    _check(libc.pivot_root(new_root.encode(), put_old.encode()), "pivot_root", new_root)


def is_dir_without_links(path: str) -> bool:
    """Tell whether a path is a folder and no part of it a symbolic link; False also if unknown.

    Source: openat2(2), Linux 5.6.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    how = struct.pack("QQQ", flags, 0, _RESOLVE_NO_SYMLINKS)
    fd = libc.syscall(_SYS_OPENAT2, _AT_FDCWD, path.encode(), how, ctypes.c_size_t(len(how)))
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def open_tree(path: str) -> int:
    """Copy the mounts at a path, unattached; a final symbolic link is not followed.

    Returns: a descriptor for `move_mount`. Source: open_tree(2), Linux 5.2.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE | _AT_SYMLINK_NOFOLLOW
    result = libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, path.encode(), ctypes.c_uint(flags))
    return _check(result, "open_tree", path)


def move_mount(tree: int, target: str) -> None:
    """Attach what `open_tree` copied.

    Source: move_mount(2), Linux 5.2.
    """
    result = libc.syscall(
        _SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH
    )
    _check(result, "move_mount", target)


def set_readonly(path: str) -> None:
    """Make the mount at a path and all below it read-only. Source: mount_setattr(2), Linux 5.12."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE)
    result = libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        path.encode(),
        flags,
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    _check(result, "mount_setattr", path)


def chown_fd(fd: int, uid: int, gid: int) -> None:
    """Change the owner of what a descriptor stands for, also of one opened with O_PATH.

    Source: fchownat(2), AT_EMPTY_PATH.
    """
    _check(libc.fchownat(fd, b"", uid, gid, _AT_EMPTY_PATH), "fchownat")


def prctl(operation: int, argument: int | bytes = 0, second: int = 0) -> int:
    """Operate on this process or thread.

    Source: prctl(2).
    """
    if isinstance(argument, int):
        value: ctypes.c_ulong | bytes = ctypes.c_ulong(argument)
    else:
        value = argument
    zero = ctypes.c_ulong(0)
    return _check(libc.prctl(operation, value, ctypes.c_ulong(second), zero, zero), "prctl")


def set_name(name: str) -> None:
    """Give this thread a name, at most 15 bytes, as `ps` and `top` show it."""
    prctl(PR_SET_NAME, name.encode()[:15] + b"\0")


def set_pdeathsig(signal_number: int, parent: int) -> bool:
    """Ask for a signal when the parent dies; tell whether it was still the parent then."""
    prctl(PR_SET_PDEATHSIG, signal_number)
    return os.getppid() == parent


def set_child_subreaper() -> None:
    """Become the parent of orphaned descendants."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def set_no_new_privs() -> None:
    """Give up gaining privileges by executing a file, for good."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities(keep: Iterable[str] = ()) -> None:
    """Give up all capabilities but some, also for what uid 0 would gain by an exec.

    Must come last among the steps that need privileges. Source: capabilities(7).
    """
    names, kept, zero = set(keep), 0, ctypes.c_ulong(0)
    for number, name in enumerate(CAPABILITIES):
        if name in names:
            kept |= 1 << number
        else:
            # May fail: EINVAL on a kernel older than the capability, EPERM without privileges.
            libc.prctl(PR_CAPBSET_DROP, number, zero, zero, zero)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header = struct.pack("Ii", 0x20080522, 0)
    _check(libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)), "capset")


def pidfd_exit_status(pidfd: int) -> int | None:
    """Ask for the wait status of a process that is no child.

    Returns: None while it is not reaped, and where the kernel cannot tell (before Linux 6.15).
    Source: include/uapi/linux/pidfd.h.
    """
    info = bytearray(_PIDFD_INFO_BYTES)
    struct.pack_into("Q", info, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None  # ENOTTY, EINVAL: an older kernel; ESRCH: reaped before it kept the status
    if not struct.unpack_from("Q", info)[0] & _PIDFD_INFO_EXIT:
        return None
    status: int = struct.unpack_from("i", info, _PIDFD_INFO_EXIT_CODE_AT)[0]
    return status
