"""Who is at the other end of a client's connection, and whom it asks for."""

from __future__ import annotations

from socket import AddressFamily
from typing import TYPE_CHECKING

from engine.core.proxies import Said
from engine.core.proxy_protocol import read_preface
from engine.kernel.listeners import uid_of_connection

if TYPE_CHECKING:
    import socket

    from engine.core.http1_events import RequestHead
    from engine.core.proxies import TrustedProxies


def is_of_user(sock: socket.socket, uid: int) -> bool:
    """Tell whether a connection comes from 127.0.0.1 and from a socket of a user.

    No address is proof on a host where tenants run: any program has 127.0.0.1.
    """
    try:
        peer = sock.getpeername()
        if sock.family is not AddressFamily.AF_INET or peer[0] != "127.0.0.1":
            return False
        return uid_of_connection(peer, sock.getsockname()) == uid
    except OSError:
        return False  # gone already, or the kernel does not tell


class Source:
    """One connection's: what its requests have in common is worked out once.

    Attributes:
        address: IP address as text: of the peer, or of whom the PROXY protocol names.
        is_awaited: The PROXY protocol header is still to come.
        is_front: It is the Caddy in front, whose word on who asks is taken.
    """

    __slots__ = (
        "_held",
        "_host",
        "_lines",
        "_proxies",
        "_said",
        "address",
        "is_awaited",
        "is_front",
    )

    def __init__(self, address: bytes) -> None:
        """Begin with the peer itself."""
        self.address = address
        self.is_awaited = False
        self.is_front = False
        self._held = b""
        self._host: bytes | None = b""
        self._proxies: TrustedProxies | None = None
        self._said = Said(chain=(address,))
        self._lines = b""

    def await_preface(self, proxies: TrustedProxies) -> None:
        """Expect a PROXY protocol header, if the peer is one of those that send it."""
        self.is_awaited = proxies.speak_first and proxies.is_trusted(self.address)

    def take_preface(self, data: bytes) -> bytes:
        """Take the first bytes; give those that are of a request.

        Raises:
            NotSaid: The connection does not begin as it has to.
        """
        self._held += data
        preface = read_preface(self._held)
        if preface is None:
            return b""
        self.is_awaited = False
        self._held = b""
        self.address = preface.source or self.address
        return preface.rest

    def said(self, head: RequestHead, proxies: TrustedProxies) -> tuple[Said, bytes]:
        """Give who asks, and the lines that tell an upstream."""
        is_same = head.host is self._host and proxies is self._proxies
        if head.forwarded or not is_same or not self._lines:
            self._said = proxies.believe(
                self.address, head.host, head.forwarded, is_vouched_for=self.is_front
            )
            self._lines = self._said.lines()
            # What such lines say is of one request only.
            self._host = b"" if head.forwarded else head.host
            self._proxies = None if head.forwarded else proxies
        return self._said, self._lines
