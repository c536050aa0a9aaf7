"""The chunked transfer coding: read strictly, written anew.

Chunks are never passed on as they came: what goes on is framed by us, so that no two readers
of it can disagree. Extensions are dropped (RFC 9112 section 7.1.1 allows it).
"""

from __future__ import annotations

import re
from enum import Enum, auto

from engine.core.http1_head import FORBIDDEN, HEAD_LIMIT_BYTES, HeadRefused, digest_trailers

LINE_LIMIT_BYTES = 1024
"""Of one chunk's size and extensions."""

EXTENSIONS_LIMIT_BYTES = 16 * 1024
"""Of all chunks of a body: a sender of more has us read much for little content."""

_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:;[\t -~\x80-\xff]*+)?\r\n")
_PARTIAL = re.compile(rb"(?:[0-9A-Fa-f]{1,15}+(?:;[\t -~\x80-\xff]*+)?\r?)?")

LAST_CHUNK = b"0\r\n\r\n"


class _Phase(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkReader:
    """Takes the bytes of a chunked body and gives its content.

    Attributes:
        is_done: The last chunk and its trailers have been read.
        trailers: Their lines that may be passed on.
        rest: Bytes after the body, once it is done.
    """

    __slots__ = ("_extensions", "_held", "_phase", "_remaining", "is_done", "rest", "trailers")

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self._phase = _Phase.SIZE
        self._held = b""
        self._remaining = 0
        self._extensions = 0
        self.is_done = False
        self.trailers = b""
        self.rest = b""

    def receive(self, data: bytes, pieces: list[bytes]) -> None:
        """Take bytes as they arrive; add the content in them to `pieces`.

        Raises:
            HeadRefused: It is no chunked body; the content before the fault has been added.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        position = 0
        while position >= 0 and self._phase is not _Phase.DONE:
            if self._phase is _Phase.DATA:
                position = self._take_data(data, position, pieces)
            elif self._phase is _Phase.SIZE:
                position = self._take_size(data, position)
            elif self._phase is _Phase.DATA_END:
                position = self._take_data_end(data, position)
            else:
                position = self._take_trailers(data, position)

    def _take_size(self, data: bytes, position: int) -> int:
        match = _LINE.match(data, position)
        if match is None:
            rest = data[position:]
            if len(rest) > LINE_LIMIT_BYTES or not _PARTIAL.fullmatch(rest):
                raise HeadRefused(400, "bad chunk size")
            self._held = rest
            return -1
        if match.end() - position > LINE_LIMIT_BYTES:
            raise HeadRefused(400, "bad chunk size")
        self._extensions += match.end() - match.end(1) - 2
        if self._extensions > EXTENSIONS_LIMIT_BYTES:
            raise HeadRefused(400, "too many chunk extensions")
        self._remaining = int(match[1], 16)
        self._phase = _Phase.DATA if self._remaining else _Phase.TRAILERS
        return match.end()

    def _take_data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        available = len(data) - position
        if available == 0:
            return -1
        taken = min(available, self._remaining)
        pieces.append(data[position : position + taken])
        self._remaining -= taken
        if self._remaining:
            return -1
        self._phase = _Phase.DATA_END
        return position + taken

    def _take_data_end(self, data: bytes, position: int) -> int:
        end = data[position : position + 2]
        if end == b"\r\n":
            self._phase = _Phase.SIZE
            return position + 2
        if end not in (b"", b"\r"):
            raise HeadRefused(400, "chunk without end")
        self._held = end
        return -1

    def _take_trailers(self, data: bytes, position: int) -> int:
        if data.startswith(b"\r\n", position):
            end, after = position, position + 2
        else:
            found = data.find(b"\r\n\r\n", position)
            end, after = found + 2, found + 4
            if found < 0:
                return self._hold_trailers(data[position:])
        if after - position > HEAD_LIMIT_BYTES:
            raise HeadRefused(431, "trailers too large")
        self.trailers = digest_trailers(data[position:end])
        self._phase = _Phase.DONE
        self.is_done = True
        self.rest = data[after:]
        return -1

    def _hold_trailers(self, rest: bytes) -> int:
        if FORBIDDEN.search(rest):
            raise HeadRefused(400, "bad trailers")
        if len(rest) > HEAD_LIMIT_BYTES:
            raise HeadRefused(431, "trailers too large")
        self._held = rest
        return -1


def encode_chunk(piece: bytes) -> bytes:
    """Frame one piece of content; an empty piece would end the body and is nothing."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def encode_last(trailers: bytes) -> bytes:
    """End a chunked body."""
    return b"0\r\n%b\r\n" % trailers if trailers else LAST_CHUNK
