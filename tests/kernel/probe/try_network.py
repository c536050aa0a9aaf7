"""Tries at the network: other sockets, raw packets, interfaces."""

import fcntl
import socket
import struct

from tries import Facts, attempt


def connect(port: int, address: str = "127.0.0.1") -> bool:
    with socket.create_connection((address, port), timeout=2):
        return True


@attempt("network", "connect to another tenant's port")
def other(facts: Facts) -> object:
    return connect(facts["victim_port"])


@attempt("network", "connect to a private instance's port")
def private(facts: Facts) -> object:
    return connect(facts["private_port"])


@attempt("network", "connect to a service on the host's loopback")
def loopback(facts: Facts) -> object:
    return connect(facts["host_port"])


@attempt("network", "connect to an abstract socket of the host")
def abstract(facts: Facts) -> object:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("\0" + facts["abstract"])
    return True


for place in (
    "an outbound instance's address",
    "an address of the host",
    "a machine in the host's own network",
    "a cloud's metadata service",
    "the internet",
):

    @attempt("network", f"connect to {place}")
    def beyond(facts: Facts, place: str = place) -> object:
        return connect(facts["place_port"], facts["places"][place])


@attempt("network", "listen on a privileged port")
def privileged(_: Facts) -> object:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 1))
    return True


@attempt("network", "open a raw socket")
def raw(_: Facts) -> object:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return True


@attempt("network", "open a packet socket")
def packet(_: Facts) -> object:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).close()
    return True


for name, family in (("vsock", 40), ("crypto", 38), ("key", 15)):

    @attempt("network", f"open a {name} socket")
    def rare(_: Facts, family: int = family) -> object:
        kind = {40: socket.SOCK_STREAM, 38: socket.SOCK_SEQPACKET, 15: socket.SOCK_RAW}[family]
        socket.socket(family, kind, 2 if family == 15 else 0).close()
        return True


@attempt("network", "configure an interface")
def interface(_: Facts) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        name = b"lo"
        flags = fcntl.ioctl(link, 0x8913, struct.pack("16sh14x", name, 0))  # SIOCGIFFLAGS
        fcntl.ioctl(link, 0x8914, flags)  # SIOCSIFFLAGS, to what it is
    return True
