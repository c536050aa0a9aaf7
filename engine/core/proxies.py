"""Whom to believe about who asks: proxies in front of the door, by the networks they are in.

A proxy that is trusted says for whom it asks; anybody else is who the connection says they are.
Only the part of a chain that trusted proxies vouch for is passed on: what a client wrote itself
stands left of that and ends here, so a program may take the first address for the client's.

Source: RFC 7239 (Forwarded); X-Forwarded-* have no standard, `For` grows to the right.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import msgspec

from engine.core.http1_head import is_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CHAIN_LIMIT = 32
"""Proxies one after another that are followed; more is no chain anybody built."""

_SCHEMES = frozenset({"http", "https"})
_NODE = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9]+(?:\.[0-9]+){3}))(?::[0-9]{1,5})?|([0-9A-Fa-f:]+)"
)
"""An address, with its port or without; several colons are of an address without a port."""
_ELEMENT = re.compile(r'(?:[^",]|"[^"]*")+')
_PAIR = re.compile(r'\s*([A-Za-z]+)=("[^"\\]*"|[^",;\s]*)\s*')


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as far as it may be believed.

    Attributes:
        chain: Addresses from the client to the peer of the connection; at least the latter.
        scheme: "http" or "https", as the client spoke it.
        host: The name the client asked for, b"" where it named none.
    """

    chain: tuple[bytes, ...]
    scheme: bytes = b"http"
    host: bytes = b""

    @property
    def client(self) -> bytes:
        """The address of whoever asked first."""
        return self.chain[0]

    def lines(self) -> bytes:
        """Write it as field lines for an upstream, each ended by CRLF."""
        host = self.host
        first = b"Forwarded: for=" + _node(self.chain[0])
        if host:
            first += b";host=" + (b'"%b"' % host if re.search(rb"[^\w.~%-]", host) else host)
        first += b";proto=" + self.scheme
        hops = b"".join(b", for=" + _node(each) for each in self.chain[1:])
        named = b"X-Forwarded-Host: %b\r\n" % host if host else b""
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b%b%b\r\n" % (
            b", ".join(self.chain),
            self.scheme,
            named,
            first,
            hops,
        )


def _node(address: bytes) -> bytes:
    return b'"[%b]"' % address if b":" in address else address


class TrustedProxies:
    """The networks whose word is taken.

    Attributes:
        speak_first: They begin each connection with a PROXY protocol header.
    """

    def __init__(self, networks: Iterable[str] = (), *, speak_first: bool = False) -> None:
        """Take networks in the form that `read_network` gave."""
        self._networks = tuple(ipaddress.ip_network(each) for each in networks)
        self.speak_first = speak_first

    def is_trusted(self, address: bytes) -> bool:
        """Tell whether an address is in one of the networks; text that is none is not."""
        if not self._networks:
            return False
        read = _address(address.decode("latin-1").partition("%")[0])
        return read is not None and self._holds(read)

    def believe(
        self,
        peer: bytes,
        host: bytes | None,
        fields: Sequence[tuple[bytes, bytes]],
        *,
        is_vouched_for: bool = False,
    ) -> Said:
        """Give who asks.

        Args:
            peer: The other end of the connection.
            host: Of the request.
            fields: Its `Forwarded` and `X-Forwarded-*` lines: names in lower case, values.
            is_vouched_for: The peer is believed wherever it is.
        """
        plain = Said(chain=(peer,), host=host or b"")
        if not fields or not (is_vouched_for or self.is_trusted(peer)):
            return plain
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        if "x-forwarded-for" in values or "forwarded" not in values:
            chain = self._vouched(",".join(values.get("x-forwarded-for", ())).split(","))
            scheme = values.get("x-forwarded-proto", [""])[-1].strip()
            named = values.get("x-forwarded-host", [""])[-1].strip()
        else:
            hops = _hops(",".join(values["forwarded"]))
            chain = self._vouched([hop.get("for", "") for hop in hops])
            first = hops[-len(chain)] if chain else {}
            scheme, named = first.get("proto", ""), first.get("host", "")
        said_host = named.encode("latin-1")
        return Said(
            chain=(*chain, peer),
            scheme=scheme.lower().encode() if scheme.lower() in _SCHEMES else plain.scheme,
            host=said_host if said_host and is_host(said_host) else plain.host,
        )

    def _vouched(self, nodes: list[str]) -> list[bytes]:
        """Follow a chain from the right for as long as who wrote the next part is trusted."""
        chain: list[bytes] = []
        for node in reversed(nodes[-CHAIN_LIMIT:]):
            match = _NODE.fullmatch(node.strip())
            address = _address(match[1] or match[2] or match[3]) if match else None
            if address is None:
                break
            chain.insert(0, str(address).encode())
            if not self._holds(address):
                break
        return chain

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _hops(text: str) -> list[dict[str, str]]:
    """Read a `Forwarded` list; nothing of one that is malformed."""
    if text.count('"') % 2:
        return []
    hops = []
    for element in _ELEMENT.findall(text):
        pairs = [_PAIR.fullmatch(pair) for pair in element.split(";")]
        if not all(pairs):
            return []
        hops.append({pair[1].lower(): pair[2].strip('"') for pair in pairs if pair})
    return hops


def read_network(text: str) -> str:
    """Bring an address or a network in CIDR form to one spelling.

    Raises:
        ValueError: It is neither; the text says why, and what may have been meant.
    """
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not an IP address or network, such as 10.0.0.0/8 or ::1") from None
    raise ValueError(f"its address has bits beyond the mask: {meant} may be meant")
