"""HTTP/1.1 without I/O: bytes in, events out, for both sides of a proxy.

A reader takes the bytes of one connection as they arrive and gives events: a head, pieces of
the body, the end. After the end it keeps what follows until it is told to go on, so that
pipelined messages are handled one by one. However the bytes are cut, the events are the same
but for where pieces of a body begin and end. What could be read in two ways is refused: the
`Refused` event is the last one, and the connection is of no further use.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING

from engine.core.chunked import ChunkReader
from engine.core.http1_events import END, UNHEARD, End, Event, Refused, RequestHead, ResponseHead
from engine.core.http1_head import (
    FIELD_LIMIT,
    FORBIDDEN,
    HEAD_LIMIT_BYTES,
    REQUEST,
    RESPONSE,
    Fields,
    Framing,
    HeadRefused,
    digest_request,
    digest_response,
    read_target,
    refusal_of_request,
    without_length,
)

if TYPE_CHECKING:
    import re

INTERIM_LIMIT = 16
"""1xx responses to one request; more is a flood."""

_HEAD_END = b"\r\n\r\n"
_SLASH = 0x2F


class Phase(Enum):
    """Where a reader is in its message."""

    HEAD = auto()
    COUNTED = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()
    DONE = auto()
    TUNNEL = auto()
    BROKEN = auto()


class _Reader(ABC):
    """What both sides share: heads that come in pieces, and bodies.

    Attributes:
        phase: Where it is.
    """

    __slots__ = (
        "_chunks",
        "_field_limit",
        "_fields",
        "_head_limit",
        "_held",
        "_lines",
        "_remaining",
        "_scanned",
        "phase",
    )

    _pattern: re.Pattern[bytes]

    def __init__(
        self, phase: Phase, head_bytes: int = HEAD_LIMIT_BYTES, head_fields: int = FIELD_LIMIT
    ) -> None:
        """Begin before the first message."""
        self.phase = phase
        self._head_limit = head_bytes
        self._field_limit = head_fields
        self._held = bytearray()
        self._scanned = 0
        self._remaining = 0
        self._chunks: ChunkReader | None = None
        self._lines = b""
        self._fields: Fields | None = None

    @property
    def buffered(self) -> int:
        """Count the bytes taken and not yet given: part of a head, or what follows the end."""
        return len(self._held)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they arrive; give what they complete."""
        events: list[Event] = []
        while data and self.phase is Phase.HEAD:
            data = self._take_head(data, events)
        if data:
            self._take_body(data, events)
        return events

    def _release(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        self._scanned = 0
        return held

    def _refuse(self, status: int, reason: str) -> Refused:
        self.phase = Phase.BROKEN
        self._held.clear()
        return Refused(status, reason)

    # --- heads ---

    @abstractmethod
    def _read(self, groups: tuple[bytes, ...]) -> RequestHead | ResponseHead:
        """Read a whole head, and go to where its body begins."""
        ...

    @abstractmethod
    def _why_refused(self, head: bytes) -> Refused:
        """Say why a whole head within the limit is none."""
        ...

    def _take_head(self, data: bytes, events: list[Event]) -> bytes:
        """Read a head if it is whole; give the bytes after it."""
        if self._held:
            seen = max(0, len(self._held) - 3)
            self._held += data
            if self._held.find(_HEAD_END, seen) < 0:
                self._check_held(events)
                return b""
            data = self._release()
        match = self._pattern.match(data)
        if match is None:
            return self._take_odd_head(data, events)
        if match.end() > self._head_limit:
            events.append(self._too_large(data))
            return b""
        try:
            events.append(self._read(match.groups()))
        except HeadRefused as refused:
            events.append(self._refuse(refused.status, refused.reason))
            return b""
        if self.phase is Phase.DONE:
            events.append(END)
        return data[match.end() :]

    def _take_odd_head(self, data: bytes, events: list[Event]) -> bytes:
        """Keep a head that is incomplete, refuse one that is none."""
        end = data.find(_HEAD_END)
        if end < 0:
            self._held += data
            self._check_held(events)
        elif FORBIDDEN.search(data, 0, min(end + 4, self._head_limit)):
            events.append(self._refuse(400, "control byte, bare CR or bare LF"))
        elif end + 4 > self._head_limit:
            events.append(self._too_large(data))
        else:
            events.append(self._why_refused(data[: end + 4]))
        return b""

    def _check_held(self, events: list[Event]) -> None:
        """Refuse part of a head early where no rest could save it."""
        start, self._scanned = max(0, self._scanned - 1), len(self._held)
        if FORBIDDEN.search(self._held, start, min(self._scanned, self._head_limit)):
            events.append(self._refuse(400, "control byte, bare CR or bare LF"))
        elif self._scanned > self._head_limit:
            events.append(self._too_large(self._held))

    def _too_large(self, data: bytes | bytearray) -> Refused:
        if data.find(b"\r\n", 0, self._head_limit) < 0:
            return self._refuse(414, "target too long")
        return self._refuse(431, "head too large")

    # --- bodies ---

    def _take_body(self, data: bytes, events: list[Event]) -> None:
        if self.phase is Phase.COUNTED:
            self._take_counted(data, events)
        elif self.phase is Phase.CHUNKED:
            self._take_chunked(data, events)
        elif self.phase is Phase.DONE:
            self._held += data
        elif self.phase is not Phase.BROKEN:
            events.append(data)

    def _take_counted(self, data: bytes, events: list[Event]) -> None:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            events.append(data)
            return
        if size > self._remaining:
            self._held += data[self._remaining :]
            data = data[: self._remaining]
        self._remaining = 0
        self.phase = Phase.DONE
        events += (data, END)

    def _take_chunked(self, data: bytes, events: list[Event]) -> None:
        chunks = self._chunks
        if chunks is None:
            chunks = self._chunks = ChunkReader()
        pieces: list[bytes] = []
        refused: HeadRefused | None = None
        try:
            chunks.receive(data, pieces)
        except HeadRefused as error:
            refused = error
        if pieces:
            events.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if refused is not None:
            events.append(self._refuse(refused.status, refused.reason))
        elif chunks.is_done:
            self._held += chunks.rest
            self._chunks = None
            self.phase = Phase.DONE
            events.append(End(chunks.trailers) if chunks.trailers else END)


class RequestReader(_Reader):
    """Reads requests from a client."""

    __slots__ = ()

    _pattern = REQUEST

    def __init__(self, head_bytes: int = HEAD_LIMIT_BYTES, head_fields: int = FIELD_LIMIT) -> None:
        """Begin before the first request.

        Args:
            head_bytes: What a head may have, from its first byte to its empty line.
            head_fields: How many field lines.
        """
        super().__init__(Phase.HEAD, head_bytes, head_fields)

    def go_on(self) -> list[Event]:
        """Turn to the next request, once the one before has been answered."""
        self.phase = Phase.HEAD
        return self.receive(self._release()) if self._held else []

    def take_rest(self) -> bytes:
        """Give up reading: what came after the request belongs to another protocol."""
        self.phase = Phase.TUNNEL
        return self._release()

    def _take_odd_head(self, data: bytes, events: list[Event]) -> bytes:
        """Pass over empty lines before a request. Source: RFC 9112 section 2.2."""
        if data.startswith(b"\r\n"):
            return data[2:]
        return super()._take_odd_head(data, events)

    def _check_held(self, events: list[Event]) -> None:
        if self._held.startswith(b"\r\n"):
            del self._held[:2]
        super()._check_held(events)

    def _why_refused(self, head: bytes) -> Refused:
        why = refusal_of_request(head)
        return self._refuse(why.status, why.reason)

    def _read(self, groups: tuple[bytes, ...]) -> RequestHead:
        method, target, minor, lines = groups
        fields = self._fields
        is_old = minor == b"0"
        # Requests of one connection mostly differ in their first line only.
        if fields is None or is_old or lines != self._lines:
            fields = digest_request(lines, minor, self._field_limit)
            self._lines, self._fields = lines, None if is_old else fields
        host = fields.host
        block = fields.block
        if target[0] != _SLASH or method == b"CONNECT":
            target, host = read_target(method, target, host)
            if fields.host is None and host is not None:
                block = b"Host: " + host + b"\r\n" + block
        is_chunked = fields.framing is Framing.CHUNKED
        if is_chunked:
            self.phase = Phase.CHUNKED
        elif fields.length:
            self.phase = Phase.COUNTED
            self._remaining = fields.length
        else:
            self.phase = Phase.DONE
        tokens = fields.tokens
        return RequestHead(
            method=method,
            target=target,
            is_http10=is_old,
            host=host,
            fields=block,
            is_chunked=is_chunked,
            length=fields.length,
            is_keep_alive=b"keep-alive" in tokens if is_old else b"close" not in tokens,
            upgrade=_upgrade_of(fields) if fields.upgrade and not is_old else b"",
            forwarded=fields.forwarded,
        )


def _upgrade_of(fields: Fields) -> bytes:
    """Give the protocol a request may go over to.

    Not together with a body, and never h2c: that would be HTTP again, read by nobody here.
    """
    has_body = fields.framing is Framing.CHUNKED or fields.length > 0
    if b"upgrade" not in fields.tokens or has_body or b"h2c" in fields.upgrade.lower():
        return b""
    return fields.upgrade


class ResponseReader(_Reader):
    """Reads responses from an upstream; has to be told what each answers.

    Bytes after the end of a response stay `buffered`: an upstream that sends any is not to be
    used again.
    """

    __slots__ = ("_interim", "_is_bodiless")

    _pattern = RESPONSE

    def __init__(self) -> None:
        """Begin with nothing to be answered."""
        super().__init__(Phase.DONE)
        self._is_bodiless = False
        self._interim = 0

    def expect(self, method: bytes) -> None:
        """Get ready for the response to a request."""
        self.phase = Phase.HEAD
        self._is_bodiless = method == b"HEAD"
        self._interim = 0

    def receive_end(self) -> list[Event]:
        """Take the end of the connection; a body may end so, nothing else."""
        if self.phase is Phase.UNTIL_CLOSE:
            self.phase = Phase.DONE
            return [END]
        if self.phase in (Phase.DONE, Phase.BROKEN, Phase.TUNNEL):
            return []
        if self.phase is Phase.HEAD and not self._held and not self._interim:
            self.phase = Phase.BROKEN
            return [UNHEARD]
        return [self._refuse(502, "connection lost")]

    def _refuse(self, status: int, reason: str) -> Refused:
        return super()._refuse(502, reason)

    def _why_refused(self, head: bytes) -> Refused:
        return self._refuse(502, "not HTTP/1.1")

    def _read(self, groups: tuple[bytes, ...]) -> ResponseHead:
        minor, line, status, lines = groups
        fields = self._fields
        is_old = minor == b"0"
        if fields is None or is_old or lines != self._lines:
            fields = digest_response(lines, minor)
            self._lines, self._fields = lines, None if is_old else fields
        code = int(status)
        framing, block = self._frame(code, fields)
        tokens = fields.tokens
        is_switch = code == 101 and b"upgrade" in tokens
        return ResponseHead(
            status=code,
            # The space is there also before an empty reason. Source: RFC 9112 section 4.
            line=b"HTTP/1.1 " + line + (b"\r\n" if line != status else b" \r\n"),
            fields=block,
            framing=framing,
            is_keep_alive=b"keep-alive" in tokens if is_old else b"close" not in tokens,
            upgrade=fields.upgrade if code == 426 or is_switch else b"",
        )

    def _frame(self, code: int, fields: Fields) -> tuple[Framing, bytes]:
        """Tell how the body ends, and go there. Source: RFC 9112 section 6.3."""
        block = fields.block
        if code < 200:
            self._interim += 1
            if self._interim > INTERIM_LIMIT:
                raise HeadRefused(502, "too many interim responses")
            self.phase = Phase.TUNNEL if code == 101 else Phase.HEAD
            return Framing.NONE, without_length(fields)
        if self._is_bodiless or code in (204, 304):
            self.phase = Phase.DONE
            return Framing.NONE, without_length(fields) if code == 204 else block
        if fields.framing is Framing.CHUNKED:
            self.phase = Phase.CHUNKED
        elif fields.framing is Framing.LENGTH:
            self._remaining = fields.length
            self.phase = Phase.COUNTED if fields.length else Phase.DONE
        else:
            self.phase = Phase.UNTIL_CLOSE
            return Framing.UNTIL_CLOSE, block
        return fields.framing, block
