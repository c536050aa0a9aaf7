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
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
SECBIT_NOROOT = 1
PR_CAP_AMBIENT_RAISE = 2
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
_SYS_SECCOMP = 317 if os.uname().machine == "x86_64" else 277
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2
_SOCK_FILTER_BYTES = 8
_SYS_KEYCTL = 250 if os.uname().machine == "x86_64" else 219
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_QUOTACTL_FD = 443
_SYS_MOUNT_SETATTR = 442
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION = 0x20080522
_U32 = 0xFFFFFFFF

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


def open_tree(path: str, at: int = _AT_FDCWD) -> int:
    """Copy the mounts at a path, unattached; a final symbolic link is not followed.

    Args:
        path: Of what is copied; "" for what `at` is a descriptor of.
        at: Where a relative path begins.

    Returns: a descriptor for `move_mount`. Source: open_tree(2), Linux 5.2.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE | _AT_SYMLINK_NOFOLLOW
    flags |= 0 if path else _AT_EMPTY_PATH
    fd = libc.syscall(_SYS_OPEN_TREE, at, os.fsencode(path), ctypes.c_uint(flags))
    return _check(fd, "open_tree", path)


def move_mount(tree: int, target: str) -> None:
    """Attach what `open_tree` copied, and close it.

    Source: move_mount(2), Linux 5.2.
    """
    result = libc.syscall(
        _SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH
    )
    _check(result, "move_mount", target)
    os.close(tree)


def set_readonly(path: str, tree: int = _AT_FDCWD, *, is_readonly: bool = True) -> None:
    """Make a mount and all below it read-only, or not: at a path, or what `open_tree` copied.

    Source: mount_setattr(2), Linux 5.12.
    """
    change = (_MOUNT_ATTR_RDONLY, 0) if is_readonly else (0, _MOUNT_ATTR_RDONLY)
    attributes = struct.pack("QQQQ", *change, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if path else _AT_RECURSIVE | _AT_EMPTY_PATH)
    result = libc.syscall(
        _SYS_MOUNT_SETATTR,
        tree,
        path.encode(),
        flags,
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    _check(result, "mount_setattr", path)


def quotactl_fd(fd: int, command: int, number: int, data: bytearray) -> None:
    """Read or set a quota of the file system that a descriptor is on.

    Args:
        fd: Of anything there.
        command: As QCMD gives it.
        number: Of the user, group or project.
        data: struct if_dqblk, changed by what reads.

    Source: quotactl(2), linux/quota.h; Linux 5.14.
    """
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    what = ctypes.c_uint(command), ctypes.c_uint(number)
    result = libc.syscall(_SYS_QUOTACTL_FD, fd, *what, buffer)
    _check(result, "quotactl_fd")


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

    Those kept are ambient, so that they outlive the exec of an ordinary user's program, too. Must
    come last among the steps that need privileges, after the change of user. Source:
    capabilities(7).
    """
    names, kept, drop = set(keep), [], libc.prctl
    # After a change of user they are permitted, but not in effect; this needs setpcap to be.
    _set_capabilities(_permitted_capabilities(), 0)
    for number, name in enumerate(CAPABILITIES):
        if name in names:
            kept.append(number)
        else:
            # May fail: EINVAL on a kernel older than the capability, EPERM without privileges.
            drop(PR_CAPBSET_DROP, number)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    mask = sum(1 << number for number in kept)
    _set_capabilities(mask, mask)
    for number in kept:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def become_init() -> bool:
    """Give up what the parent of an instance's processes needs no more.

    It has to signal processes of any user. The other capability is one that no instance is given:
    whoever lacks one of another's capabilities may not read its memory, and what is in here was
    the keeper's. Source: ptrace(2), "Ptrace access mode checking"; capabilities(7), "Ambient
    capabilities" and "The securebits flags".

    Returns: whether an exec keeps it so. Without CAP_SETPCAP it would give uid 0 more again.
    """
    numbers = [CAPABILITIES.index(name) for name in ("kill", "block_suspend")]
    permitted, zero = _permitted_capabilities(), ctypes.c_ulong(0)
    kept = [number for number in numbers if permitted >> number & 1]
    bits = ctypes.c_ulong(SECBIT_NOROOT)
    is_fixed = bool(libc.prctl(PR_SET_SECUREBITS, bits, zero, zero, zero) == 0)
    mask = sum(1 << number for number in kept)
    _set_capabilities(mask, mask if is_fixed else 0)
    for number in kept if is_fixed else ():
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)
    return is_fixed


def _permitted_capabilities() -> int:
    data = ctypes.create_string_buffer(24)
    _check(libc.capget(struct.pack("Ii", _CAPABILITY_VERSION, 0), data), "capget")
    _, low, _, _, high, _ = struct.unpack("6I", data.raw)
    return int(high << 32 | low)


def _set_capabilities(permitted: int, inheritable: int) -> None:
    """Set those permitted, which are in effect then, and those inheritable."""
    halves = [
        half
        for shift in (0, 32)
        for half in (
            permitted >> shift & _U32,
            permitted >> shift & _U32,
            inheritable >> shift & _U32,
        )
    ]
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    _check(libc.capset(header, struct.pack("6I", *halves)), "capset")


def load_filter(what: str, program: str) -> None:
    """Refuse system calls to this process and all it becomes or forks, for good.

    Needs no_new_privs or CAP_SYS_ADMIN.

    Args:
        what: For whoever reads the plan.
        program: An array of struct sock_filter in hexadecimal digits.

    Source: seccomp(2).
    """
    del what
    code = ctypes.create_string_buffer(bytes.fromhex(program))
    count = (len(code) - 1) // _SOCK_FILTER_BYTES
    header = struct.pack("HxxxxxxP", count, ctypes.addressof(code))
    # Without the flag an older kernel slows the program down, against attacks by its own threads.
    flags = ctypes.c_uint(_SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    _check(libc.syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, flags, header), "seccomp")


def join_session_keyring() -> None:
    """Leave the keys of whoever started this for an own, empty keyring.

    A kernel without keys, and a container that forbids them, has none to leave. Source: keyctl(2).
    """
    libc.syscall(_SYS_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None)


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
