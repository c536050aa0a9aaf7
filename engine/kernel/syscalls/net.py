"""Network namespaces: entering them, their loopback, and sockets out of them."""

import _thread
import array
import contextlib
import errno as errnos
import fcntl
import os
import socket
import struct

from engine.kernel import syscalls
from engine.kernel.syscalls import process

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_IFREQ = struct.Struct("16sH22x")
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_FIRST_FREE_PORT = 1024
_CHUNK = 250
"""Descriptors in one message. Source: SCM_MAX_FD in unix(7)."""


def enter(path: str) -> None:
    """Enter a network namespace by its file, for example /proc/PID/fd/N."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, syscalls.CLONE_NEWNET)
    finally:
        os.close(fd)


def raise_loopback(port: int) -> None:
    """Bring up the loopback of this network namespace: 127.0.0.1, and ::1 where IPv6 is there.

    Args:
        port: Where the program listens: from there on, ports are free to any user in here.

    Source: netdevice(7); Documentation/networking/ip-sysctl.rst, "ip_unprivileged_port_start".
    """
    with (
        contextlib.suppress(FileNotFoundError),
        open(_sysctl("ipv6/conf/lo/disable_ipv6"), "r+") as file,
    ):
        if file.read().strip() != "0":
            file.write("0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fd = any_socket.fileno()
        flags = _IFREQ.unpack(fcntl.ioctl(fd, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0)))[1]
        fcntl.ioctl(fd, _SIOCSIFFLAGS, _IFREQ.pack(b"lo", flags | _IFF_UP))
    if port < _FIRST_FREE_PORT:
        with open(_sysctl("ipv4/ip_unprivileged_port_start"), "w") as file:
            file.write(str(port))


def _sysctl(name: str) -> str:
    return f"/proc/sys/net/{name}"


def sockets_inside(pidfd: int, count: int, family: str) -> list[int]:
    """Create TCP sockets in the network namespace of a process; give their descriptors.

    A thread goes there and ends: this one stays where it is. An ordinary user has to enter the
    process's user namespace first, which the kernel forbids to threads; there a child does it.

    Args:
        pidfd: The process.
        count: How many.
        family: "inet" or "inet6".

    Raises:
        OSError: It cannot be entered, or no descriptor is left.
        KeyError: There is no such family.
    """
    kind = _FAMILIES[family]
    try:
        return _by_thread(pidfd, count, kind)
    except syscalls.KernelError as error:
        if error.errno != errnos.EPERM:
            raise
        return _by_child(pidfd, count, kind)


def _create(made: list[int], count: int, kind: int) -> None:
    while len(made) < count:
        made.append(socket.socket(kind, socket.SOCK_STREAM).detach())


def _by_thread(pidfd: int, count: int, kind: int) -> list[int]:
    made: list[int] = []
    errors: list[OSError] = []
    done = _thread.allocate_lock()

    def make() -> None:
        try:
            syscalls.setns(pidfd, syscalls.CLONE_NEWNET)
            _create(made, count, kind)
        except OSError as error:
            errors.append(error)
        finally:
            done.release()

    done.acquire()
    _thread.start_new_thread(make, ())
    done.acquire()
    while len(os.listdir("/proc/self/task")) > 1:
        pass  # it is on its last steps; a fork must not find it holding a lock
    if errors:
        for fd in made:
            os.close(fd)
        raise errors[0]
    return made


def _by_child(pidfd: int, count: int, kind: int) -> list[int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def make() -> None:
        number = 0
        made: list[int] = []
        try:
            syscalls.setns(pidfd, syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNET)
            _create(made, count, kind)
        except OSError as error:
            number, made = error.errno or errnos.EIO, []
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", made))] if made else []
        theirs.sendmsg([struct.pack("i", number)], rights)

    with ours:
        with theirs:
            child = process.fork(make)
        data, fds, _, _ = socket.recv_fds(ours, 4, _CHUNK)
        os.waitpid(child, 0)
    number = struct.unpack("i", data)[0] if data else errnos.ECHILD
    if number:
        raise syscalls.KernelError(number, "setns")
    return list(fds)
