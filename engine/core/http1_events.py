"""What readers of HTTP/1.1 give: heads, pieces of bodies, ends and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from engine.core.http1_head import Framing


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """A request, up to its body.

    Attributes:
        target: In origin form (or "*"), as it goes to the upstream.
        host: Of the Host field or of an absolute target; None: HTTP/1.0 that names none.
        fields: Lines to pass on, each ended by CRLF. Framing that is not by length, and what
            the connection needs, is for the sender to add.
        is_chunked, length: How its body is framed; neither: there is none.
        is_keep_alive: The client wants the connection to stay.
        upgrade: The protocol it wants to go over to, b"" if none.
        forwarded: What it says of who asks, as in `engine.core.http1_head.Fields`.
    """

    method: bytes
    target: bytes
    is_http10: bool
    host: bytes | None
    fields: bytes
    is_chunked: bool = False
    length: int = 0
    is_keep_alive: bool = True
    upgrade: bytes = b""
    forwarded: tuple[tuple[bytes, bytes], ...] = ()

    def asks_for(self, protocol: bytes) -> bool:
        """Tell whether it offered to go over to that protocol; b"" is none."""
        offers = {offer.strip(b" \t").lower() for offer in self.upgrade.split(b",")}
        return bool(protocol) and protocol.lower() in offers

    @property
    def has_body(self) -> bool:
        """Tell whether anything follows the head."""
        return self.is_chunked or self.length > 0


class ResponseHead(msgspec.Struct, frozen=True, kw_only=True):
    """A response, up to its body.

    Attributes:
        status: 1xx is an interim answer; the head of the final one follows, except after 101.
        line: Status line, ended by CRLF, always of HTTP/1.1.
        fields: Lines to pass on, each ended by CRLF; `Content-Length` is among them where the
            response has one, also where there is no body (HEAD, 304).
        framing: How the body ends.
        is_keep_alive: The upstream lets the connection stay.
        upgrade: The protocol of a 101 or 426, b"" elsewhere.
    """

    status: int
    line: bytes
    fields: bytes
    framing: Framing
    is_keep_alive: bool = True
    upgrade: bytes = b""


class End(msgspec.Struct, frozen=True):
    """The message is complete.

    Attributes:
        trailers: Lines to pass on, each ended by CRLF.
    """

    trailers: bytes = b""


class Refused(msgspec.Struct, frozen=True):
    """The bytes are no message that may be passed on.

    Attributes:
        status: What the client is to be answered; for an upstream's fault always 502.
    """

    status: int
    reason: str


UNHEARD = Refused(502, "connection lost before an answer")
"""The connection ended without a byte of an answer."""

END = End()
"""The end of a message without trailers."""

Event = RequestHead | ResponseHead | bytes | End | Refused
