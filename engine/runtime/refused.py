"""The system calls a service has no business with, and the filter that refuses them.

Refused is what changes the host or the isolation, what reaches into other processes, and parts of
the kernel that are wide, rarely needed by a service and often the way in for an attack. A call
fails with EPERM, as if a privilege were missing: programs are used to that. clone3 fails with
ENOSYS, since a filter cannot see its flags: the C library goes on with clone, whose flags it can.
"""

from __future__ import annotations

import errno
import functools
from typing import TYPE_CHECKING

from engine.kernel.seccomp import Argument, Compare, Rule, compile_filter, why_missing
from engine.kernel.syscalls import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = (
    # The kernel itself.
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
    *("create_module", "query_module", "get_kernel_syms", "bpf", "perf_event_open", "syslog"),
    *("reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl"),
    *("iopl", "ioperm", "lookup_dcookie", "_sysctl", "sysfs", "uselib", "ustat", "vhangup"),
    *("vm86", "vm86old", "modify_ldt", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("userfaultfd", "add_key", "request_key", "keyctl"),
    # The host's clock and name.
    *("settimeofday", "clock_settime", "clock_settime64", "stime", "adjtimex", "clock_adjtime"),
    *("clock_adjtime64", "sethostname", "setdomainname"),
    # What is mounted where, and other namespaces.
    *("mount", "umount", "umount2", "pivot_root", "open_tree", "open_tree_attr", "move_mount"),
    *(
        "file_setattr",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "setns",
        "open_by_handle_at",
    ),
    # Other processes.
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"),
)
"""Refused whatever the arguments are."""

_CLONE_NEWTIME = 0x80
_AF_NETLINK = 16
_FAMILIES_BETWEEN = (3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15)
_FAMILY_AFTER_NETLINK = 17
"""The families of sockets left are AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK."""

_NETLINK_REFUSED = (1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 20, 21, 22)
"""All of NETLINK_* but ROUTE, SOCK_DIAG, KOBJECT_UEVENT and GENERIC: firewall, audit, ipsec."""

_PERSONALITIES = 0x00000000 | 0x00000008 | 0x00020000
"""Bits a personality may have: PER_LINUX32 and UNAME26."""

_FILE_FLAGS = (0x40086602, 0x40046602, 0x401C5820)
"""FS_IOC_SETFLAGS, for 32 bits too, and FS_IOC_FSSETXATTR: a file leaves its project by them."""

_TOP_BIT = 0x80000000


def rules() -> Iterator[Rule]:
    """List what is refused."""
    yield from (Rule(call) for call in CALLS)
    yield Rule("clone3", errno=errno.ENOSYS)
    yield from _namespaces()
    yield from _sockets()
    yield from _personality()
    # As on a file system without such flags, which every program has met.
    for request in _FILE_FLAGS:
        yield Rule("ioctl", (Argument(1, request),), errno.EOPNOTSUPP)


def _namespaces() -> Iterator[Rule]:
    """New namespaces, the user's own above all: in it a program has every capability."""
    for flag in sorted(NAMESPACES.values()):
        yield Rule("clone", (Argument(0, flag, flag),))
        yield Rule("unshare", (Argument(0, flag, flag),))
    yield Rule("unshare", (Argument(0, _CLONE_NEWTIME, _CLONE_NEWTIME),))


def _sockets() -> Iterator[Rule]:
    """Packet, key, vsock, crypto and other sockets of rarely used code."""
    for family in _FAMILIES_BETWEEN:
        yield Rule("socket", (Argument(0, family),))
    yield Rule("socket", (Argument(0, _FAMILY_AFTER_NETLINK, compare=Compare.AT_LEAST),))
    for protocol in _NETLINK_REFUSED:
        yield Rule("socket", (Argument(0, _AF_NETLINK), Argument(2, protocol)))


def _personality() -> Iterator[Rule]:
    """Personalities that turn off protections; 0xffffffff, which only asks, is let through.

    All that is asked of one argument must be said in bits: with the top bit every other has to be
    set, without it only some may.
    """
    for bit in (1 << shift for shift in range(31)):
        yield Rule("personality", (Argument(0, _TOP_BIT, _TOP_BIT | bit),))
        if not bit & _PERSONALITIES:
            yield Rule("personality", (Argument(0, bit, _TOP_BIT | bit),))


@functools.cache
def filter_program() -> bytes:
    """Give the filter as the kernel loads it; empty where this host can have none."""
    reason, _ = why_missing()
    return b"" if reason else compile_filter(rules())
