"""Answers the door gives itself, with the peer's bodies where the peer has one."""

from __future__ import annotations

_REASONS = {
    400: ("Bad Request", "Bad request"),
    404: ("Not Found", "Not found"),
    405: ("Method Not Allowed", "Method not allowed"),
    408: ("Request Timeout", "Request timeout"),
    414: ("URI Too Long", "URI too long"),
    431: ("Request Header Fields Too Large", "Request header fields too large"),
    501: ("Not Implemented", "Not implemented"),
    502: ("Bad Gateway", "Bad gateway"),
    503: ("Service Unavailable", "Service temporarily unavailable"),
    504: ("Gateway Timeout", "Gateway timeout"),
    505: ("HTTP Version Not Supported", "HTTP version not supported"),
}


def answer(status: int, *, is_kept: bool, is_head: bool = False, retry_after: float = 0.0) -> bytes:
    """Write a whole answer.

    Args:
        status: One of those above.
        is_kept: The connection stays; else it says that it will be closed.
        is_head: It answers HEAD, so the body is left out.
        retry_after: Seconds, 0: none are stated. Rounded up.
    """
    reason, text = _REASONS[status]
    lines = [
        f"HTTP/1.1 {status} {reason}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text)}",
    ]
    if retry_after > 0:
        lines.append(f"Retry-After: {-int(-retry_after // 1)}")
    if not is_kept:
        lines.append("Connection: close")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return (head if is_head else head + text).encode()
