"""Small questions to the kernel that change nothing: which system calls, limits and clocks."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import NamedTuple

from engine.kernel.syscalls import libc

SYSCALLS = {
    "pidfd_open": (434, "5.3"),
    "clone3": (435, "5.7"),
    "close_range": (436, "5.9"),
    "openat2": (437, "5.6"),
    "open_tree": (428, "5.2"),
    "mount_setattr": (442, "5.12"),
}
"""Number, the same on all architectures since these are new, and first kernel (of clone3: the
first that starts a process in a cgroup)."""

_STA_UNSYNC = 0x40
_TIMEX_BYTES = 208
_TIMEX_STATUS_AT = 40
_IN_CLOEXEC = os.O_CLOEXEC


def why_no_syscall(name: str) -> str:
    """Say why a system call cannot be used, "" where it can.

    It is called with arguments that are refused before anything happens.
    """
    number, since = SYSCALLS[name]
    flags = ctypes.c_ulong(0xFFFFFFFF)
    arguments = {"open_tree": (-1, None, flags), "mount_setattr": (-1, None, 0, None, 0)}
    found = libc.syscall(number, *arguments.get(name, (-1, 0, 0, 0)))
    if found >= 0:
        return ""
    match ctypes.get_errno():
        case errno.ENOSYS:
            return f"this kernel has no {name}, which came with Linux {since}, or a filter hides it"
        case errno.EPERM:
            return f"a filter of system calls forbids {name}"
        case _:
            return ""


def is_clock_synchronised() -> bool | None:
    """Tell whether something keeps the clock right; None where that cannot be known.

    Source: adjtimex(2), "STA_UNSYNC".
    """
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if libc.adjtimex(timex) < 0:
        return None
    status: int = struct.unpack_from("i", timex.raw, _TIMEX_STATUS_AT)[0]
    return not status & _STA_UNSYNC


def inotify_errno() -> int:
    """Try to get an inotify instance; give 0 or the error number. Source: inotify(7)."""
    fd = libc.inotify_init1(_IN_CLOEXEC)
    if fd < 0:
        return ctypes.get_errno()
    os.close(fd)
    return 0


def setting(name: str) -> str:
    """Read a setting below /proc/sys, for example "net.ipv4.ip_forward"; "" where there is none."""
    return read_text(f"/proc/sys/{name.replace('.', '/')}").strip()


def read_text(path: str) -> str:
    """Read a file of the kernel; "" where it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


class Swap(NamedTuple):
    """A swap device. Source: proc_swaps(5)."""

    path: str
    size_bytes: int
    used_bytes: int

    @property
    def is_zram(self) -> bool:
        """Whether it is compressed memory."""
        return os.path.basename(self.path).startswith("zram")


def swaps() -> list[Swap]:
    """List the swap that is on."""
    rows = [line.split() for line in read_text("/proc/swaps").splitlines()[1:]]
    return [Swap(row[0], int(row[2]) * 1024, int(row[3]) * 1024) for row in rows if len(row) >= 4]


def why_no_pressure(path: str = "/proc/pressure/memory") -> tuple[str, str]:
    """Say why there is no pressure stall information, and what helps; ("", "") where there is.

    Source: Documentation/accounting/psi.rst.
    """
    try:
        Path(path).read_text()
    except FileNotFoundError:
        return "this kernel has no PSI (CONFIG_PSI)", "run a distribution's kernel"
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "it is switched off at boot", "boot with the kernel parameter psi=1"
        return error.strerror or str(error), ""
    return "", ""
