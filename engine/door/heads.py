"""Heads as the door sends them: what came, less what ends here, plus what it has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.core.http1_events import RequestHead, ResponseHead


def request_head(head: RequestHead, forwarded: bytes, *, peer: bytes, domain: str) -> bytes:
    """Write the head of a request to an upstream.

    Args:
        head: As it was read.
        forwarded: The lines of `engine.core.proxies.Said`.
        peer: The client's address for the engine's API, b"" for everybody else.
        domain: The host to name where the client named none.
    """
    extra = b""
    if head.is_chunked:
        extra = b"Transfer-Encoding: chunked\r\n"
    elif head.upgrade:
        extra = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade
    if peer:
        extra += b"X-Ten-Peer: %b\r\n" % peer
    if head.host is None:
        extra += b"Host: %b\r\n" % domain.encode()
    return b"".join(
        (
            head.method,
            b" ",
            head.target,
            b" HTTP/1.1\r\n",
            head.fields,
            extra,
            forwarded,
            b"\r\n",
        )
    )


def response_head(head: ResponseHead, *, is_chunked: bool, is_kept: bool, is_http10: bool) -> bytes:
    """Write the head of a final response to a client."""
    extra = b""
    if is_chunked:
        extra = b"Transfer-Encoding: chunked\r\n"
    if head.upgrade:
        extra += b"Connection: %b\r\nUpgrade: %b\r\n" % (
            b"upgrade" if is_kept else b"upgrade, close",
            head.upgrade,
        )
    elif not is_kept:
        extra += b"Connection: close\r\n"
    elif is_http10:
        extra += b"Connection: keep-alive\r\n"
    return b"".join((head.line, head.fields, extra, b"\r\n"))


def switch_head(head: ResponseHead) -> bytes:
    """Write the head of a 101 to a client."""
    lines = b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % head.upgrade
    return head.line + head.fields + lines
