"""Which network namespaces are in being: by the processes in them and by open sockets."""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

_SYS_PIDFD_GETFD = 438
_SIOCGSKNS = 0x894C
_libc = ctypes.CDLL(None, use_errno=True)


def namespace_of(pid: int | str = "self") -> int:
    """Give the inode of a process's network namespace."""
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def take_fd(pid: int, number: int) -> int:
    """Take a copy of a descriptor of another process. Source: pidfd_getfd(2)."""
    pidfd = os.pidfd_open(pid)
    try:
        fd = int(_libc.syscall(_SYS_PIDFD_GETFD, pidfd, number, 0))
    finally:
        os.close(pidfd)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"descriptor {number} of {pid}")
    return fd


def of_socket(fd: int) -> int:
    """Give the network namespace that a socket was made in."""
    namespace = fcntl.ioctl(fd, _SIOCGSKNS)
    try:
        return os.fstat(namespace).st_ino
    finally:
        os.close(namespace)


def of_sockets(pid: int) -> set[int]:
    """Give the network namespaces that a process keeps in being by its sockets. Needs root."""
    found = set()
    for number in _sockets(pid):
        with contextlib.suppress(OSError):  # closed meanwhile
            fd = take_fd(pid, number)
            try:
                found.add(of_socket(fd))
            finally:
                os.close(fd)
    return found


def _sockets(pid: int) -> Iterable[int]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(link).startswith("socket:"):
                yield int(link.name)
        except OSError:
            continue


def foreign(pids: Iterable[int]) -> set[int]:
    """Give those that are not ours, of some processes and their sockets."""
    found: set[int] = set()
    for pid in pids:
        found |= {namespace_of(pid)} | of_sockets(pid)
    return found - {namespace_of()}
