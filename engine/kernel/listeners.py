"""Whose sockets are on this host: who listens on a port, and who has connected from one.

Source: sock_diag(7); linux/inet_diag.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_LISTEN = 1 << 10
"""TCP_LISTEN, as one of the states asked for."""

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_EXACT = struct.Struct("=BBBxI36sIII")
"""inet_diag_req_v2 with the ends of one connection, any interface, and a cookie."""
_NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
_ANY_STATE = 0xFFFFFFFF
_ESTABLISHED = 1
_MESSAGE = struct.Struct("=4xHH16s16s12x4x4x4xII")
"""inet_diag_msg: ports in network order, addresses, uid and inode."""

_WAIT_SECONDS = 1.0
_ANY = bytes(16)
_LOOPBACKS = {
    socket.inet_pton(socket.AF_INET, "127.0.0.1") + bytes(12),
    socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1"),
}


class Listener(NamedTuple):
    """A socket that takes connections to a port of 127.0.0.1."""

    inode: int
    uid: int


def listeners_on(port: int) -> list[Listener]:
    """List the sockets that may be given a connection to 127.0.0.1:`port`.

    Raises:
        OSError: The kernel does not tell.
    """
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in _dump(family):
            source_port, _, source, _, uid, inode = _MESSAGE.unpack_from(message)
            if socket.ntohs(source_port) == port and (source == _ANY or source in _LOOPBACKS):
                found.append(Listener(inode, uid))
    return found


def uid_of_connection(local: tuple[str, int], remote: tuple[str, int]) -> int | None:
    """Give the user who owns the socket that is connected from one IPv4 address to another.

    Asked by the side it is connected to, in the same network namespace. A socket that its owner
    has closed meanwhile is nobody's, or root's: for telling root nothing is proved by it.

    Args:
        local: Address and port of the socket asked about.
        remote: Where it is connected to.

    Returns: None where there is no such socket, or it has ended its side.

    Raises:
        OSError: The kernel does not tell.
    """
    ends = struct.pack("=HH", socket.htons(local[1]), socket.htons(remote[1]))
    ends += b"".join(socket.inet_aton(host).ljust(16, b"\0") for host, _ in (local, remote))
    request = _EXACT.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ANY_STATE, ends, 0, *_NO_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(_WAIT_SECONDS)
        link.sendto(header + request, (0, 0))
        data = link.recv(1 << 12)
    if _HEADER.unpack_from(data)[1] == _NLMSG_ERROR:
        code = -struct.unpack_from("=i", data, _HEADER.size)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    # Where nobody is connected the kernel names who listens there.
    if data[_HEADER.size + 1] != _ESTABLISHED:
        return None
    uid: int = _MESSAGE.unpack_from(data, _HEADER.size)[4]
    return uid


def _dump(family: int) -> list[bytes]:
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _LISTEN)
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    messages: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(_WAIT_SECONDS)
        header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
        link.sendto(header + request, (0, 0))
        while True:
            data = link.recv(1 << 16)
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _NLMSG_DONE:
                    return messages
                if kind == _NLMSG_ERROR:
                    code = struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(-code, os.strerror(-code))
                messages.append(data[_HEADER.size : length])
                data = data[(length + 3) & ~3 :]


def strangers_among(listeners: Iterable[Listener], pids: Iterable[int]) -> list[Listener]:
    """Leave out the sockets that one of these processes has open.

    Where a process may not be looked into, those of its user are left out: more is not known.
    """
    own: set[int] = set()
    uids: set[int] = set()
    for pid in pids:
        try:
            own.update(_sockets_of(pid))
        except PermissionError:
            uids.update(_uid_of(pid))
    return [one for one in listeners if one.inode not in own and one.uid not in uids]


def owners_of(inode: int) -> list[tuple[int, str]]:
    """Find the processes that have a socket open, as (pid, name); one pass over /proc."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if inode in _sockets_of(int(entry)):
                    found.append((int(entry), _name_of(entry)))
            except PermissionError:
                continue
    return found


def _sockets_of(pid: int) -> set[int]:
    """Give the inodes of the sockets a process has open; none of one that is gone.

    Raises:
        PermissionError: It may not be looked into.
    """
    folder = f"/proc/{pid}/fd"
    inodes = set()
    try:
        for fd in os.listdir(folder):
            try:
                link = os.readlink(f"{folder}/{fd}")
            except OSError as error:
                # Closed meanwhile, or of a path longer than a page: no socket.
                if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
                    continue
                raise
            if link.startswith("socket:["):
                inodes.add(int(link[8:-1]))
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return inodes


def _uid_of(pid: int) -> list[int]:
    try:
        return [os.stat(f"/proc/{pid}").st_uid]
    except OSError:
        return []


def _name_of(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
