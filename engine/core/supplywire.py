"""What doors and the keeper say to each other: sockets of instances' network namespaces.

A door asks with a `Request` in fixed form, so that the keeper has nothing to parse; it answers
with a `Supplied` in JSON, and the sockets beside it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec

MOST_SOCKETS = 64
"""More are not given at once."""

_REQUEST = struct.Struct("=IQI")


class Home(NamedTuple):
    """A network namespace, by a process in it; the start time tells pids used twice apart."""

    pid: int
    start_ticks: int


class Supplied(msgspec.Struct, frozen=True, tag="supplied"):
    """An answer.

    Attributes:
        errno: 0, or why there is no socket: ESRCH where the process is gone.
    """

    pid: int
    start_ticks: int
    errno: int = 0

    @property
    def home(self) -> Home:
        """What was asked for."""
        return Home(self.pid, self.start_ticks)


_decoder = msgspec.json.Decoder(Supplied)


def encode_request(home: Home, count: int) -> bytes:
    """Ask for sockets."""
    return _REQUEST.pack(home.pid, home.start_ticks, count)


def decode(data: bytes) -> Supplied:
    """Read an answer.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return _decoder.decode(data)
