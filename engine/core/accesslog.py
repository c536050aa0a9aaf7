"""One line of the access log: what a request was and what became of it, as JSON.

What may be secret is not in it: no header but the ones named below, and no query of a path, which
is where links carry their tokens.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from engine.core.http1_events import RequestHead

LINE_BYTES = 4096
"""No line is longer, so that it goes into a pipe whole or not at all. Source: pipe(7), PIPE_BUF."""

PATH_CHARACTERS = 1024
AGENT_CHARACTERS = 200
HOST_CHARACTERS = 255
WORD_CHARACTERS = 64
"""Of a request id, a protocol: longer ones are cut, and end in "..."."""

_SHORT_CHARACTERS = 100
"""Of everything, where what is escaped made a line too long."""

_WANTED = re.compile(rb"(?mi)^(user-agent|x-request-id):[ \t]*(.*?)[ \t]*\r$")


class AccessLine(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A request and its answer; what is not known is left out.

    Attributes:
        time: When its head was there, UTC, RFC 3339 with milliseconds.
        client: Address of who asks, as far as trusted proxies say.
        path: Without the query.
        status: Of the answer; left out: none was given.
        bytes_in, bytes_out: Of the bodies, and of what a tunnel carried.
        duration_ms: From the head until the answer was sent, or broke off.
        upstream_ms: From when the instance was asked until its answer began.
        aborted: Who ended it early: "client" or "upstream".
        upgrade: The protocol the client asked to go over to.
    """

    time: str
    client: str
    method: str
    host: str
    path: str
    status: int = 0
    bytes_in: int
    bytes_out: int
    duration_ms: float = 0.0
    upstream_ms: float = 0.0
    aborted: str = ""
    request_id: str = ""
    agent: str = ""
    upgrade: str = ""


class LostLines(msgspec.Struct, kw_only=True):
    """So many lines before this one there was no room for."""

    time: str
    lost: int


_encode = msgspec.json.Encoder().encode


def begin_line(head: RequestHead, client: bytes, wall: float) -> AccessLine:
    """Write down what is known once the head is there.

    Args:
        head: The request.
        client: Address of who asks.
        wall: Seconds since the epoch.
    """
    request_id, agent = _named(head.fields)
    return AccessLine(
        time=timestamp(wall),
        client=_said(client),
        method=_said(head.method),
        host=_said(head.host or b""),
        path=_text(head.target.partition(b"?")[0], PATH_CHARACTERS),
        bytes_in=0,
        bytes_out=0,
        request_id=request_id,
        agent=agent,
        upgrade=_text(head.upgrade, WORD_CHARACTERS) if head.upgrade else "",
    )


@lru_cache(maxsize=1024)
def _said(data: bytes) -> str:
    """Read what many requests have the same: client, host, method."""
    return _text(data, HOST_CHARACTERS)


@lru_cache(maxsize=256)
def _named(fields: bytes) -> tuple[str, str]:
    """Give request id and agent; requests of one connection mostly have the same fields."""
    found = {name.lower(): value for name, value in _WANTED.findall(fields)}
    return (
        _text(found.get(b"x-request-id", b""), WORD_CHARACTERS),
        _text(found.get(b"user-agent", b""), AGENT_CHARACTERS),
    )


def encode_line(line: AccessLine) -> bytes:
    """Write it as JSON, ended by a newline, in LINE_BYTES at most."""
    data = _encode(line)
    if len(data) >= LINE_BYTES:
        for name in ("path", "agent", "request_id", "upgrade", "host", "method"):
            setattr(line, name, _cut(getattr(line, name), _SHORT_CHARACTERS))
        data = _encode(line)
    return data + b"\n"


def lost_line(count: int, wall: float) -> bytes:
    """Say that so many lines are missing."""
    return _encode(LostLines(time=timestamp(wall), lost=count)) + b"\n"


def timestamp(wall: float) -> str:
    """Write a time as RFC 3339, in UTC with milliseconds."""
    return f"{_second(int(wall))}.{int(wall % 1 * 1000):03d}Z"


@lru_cache(maxsize=1)
def _second(whole: int) -> str:
    """Write a second; most lines come in the one of the line before."""
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _text(data: bytes, limit: int) -> str:
    """Read bytes of a stranger: what is not ASCII is written out, C1 controls must not get far."""
    return _cut(data.decode("ascii", "backslashreplace"), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
