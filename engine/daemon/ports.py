"""Ports for instances: found by really binding them."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

FIRST = 30_000
LAST = 40_000
"""Instances listen on a port of this range."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports:
    """Hands out ports round robin, so that one just given back is not used at once.

    A port in use by anybody on this host, also outside of the engine, is passed over. Those the
    kernel gives to outgoing connections come last: one could be taken between the look and the
    instance's own bind.
    """

    def __init__(self, *, start: int = FIRST) -> None:
        """Begin at a port of the range; another number begins at its first."""
        self.next = start if FIRST <= start <= LAST else FIRST

    def take(self, used: Container[int]) -> int:
        """Find a port that is free and not in `used`.

        Raises:
            Refused: The whole range is taken.
        """
        for port in self._candidates():
            if port not in used and is_free(port):
                self.next = port + 1 if port < LAST else FIRST
                return port
        message = f"no port between {FIRST} and {LAST} is free"
        raise Refused(message, hint="ss -ltn shows who listens")

    def _candidates(self) -> Iterator[int]:
        low, high = _ephemeral_range()
        ring = [*range(self.next, LAST + 1), *range(FIRST, self.next)]
        yield from (port for port in ring if not low <= port <= high)
        yield from (port for port in ring if low <= port <= high)


def is_free(port: int) -> bool:
    """Tell whether nobody on this host has the port of 127.0.0.1, or of all addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def _ephemeral_range() -> tuple[int, int]:
    """Give the ports of outgoing connections. Source: ip(7), ip_local_port_range."""
    try:
        low, high = _EPHEMERAL.read_text().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return 32_768, 60_999
