"""The PROXY protocol, version 2: who is at the far end of a connection, said by its near end.

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import ipaddress
import struct

import msgspec

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LENGTH_LIMIT_BYTES = 4096
"""Of addresses and extensions; senders keep below 536 where they add little."""

_HEAD = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class NotSaid(Exception):  # noqa: N818 - named by situation
    """The bytes begin no connection of the PROXY protocol."""


class Preface(msgspec.Struct, frozen=True):
    """What was said before the first request.

    Attributes:
        source: The client's IP address as text; b"": the proxy speaks for itself.
        rest: Bytes after it.
    """

    source: bytes
    rest: bytes


def read_preface(data: bytes) -> Preface | None:
    """Read the header at the start of a connection; None: it is not whole yet.

    Raises:
        NotSaid: It is none, or of a kind that no HTTP comes by.
    """
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise NotSaid("no PROXY protocol header")
    if len(data) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(data)
    if command not in (_LOCAL, _PROXY) or length > LENGTH_LIMIT_BYTES:
        raise NotSaid("a PROXY protocol header that is not known")
    end = _HEAD.size + length
    if len(data) < end:
        return None
    source = b"" if command == _LOCAL else _source(family, data[_HEAD.size : end])
    return Preface(source, data[end:])


def _source(family: int, block: bytes) -> bytes:
    if family == _TCP4 and len(block) >= 12:
        return str(ipaddress.IPv4Address(block[:4])).encode()
    if family == _TCP6 and len(block) >= 36:
        address = ipaddress.IPv6Address(block[:16])
        return str(address.ipv4_mapped or address).encode()
    raise NotSaid("a PROXY protocol header for something else than TCP")
