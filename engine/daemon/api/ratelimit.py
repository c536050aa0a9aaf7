"""Slows down whoever tries tokens: by source, and never one whose token is good."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

ALLOWED_FAILURES = 10
LOCK_SECONDS = 5.0
MAX_SOURCES = 10_000
"""Sources remembered; the one longest quiet is forgotten first."""


@dataclass
class _Failures:
    count: int
    last: float


class BadTokens:
    """Counts bad tokens of each source.

    After ten within a row, no pause of 5 s between them, a source is locked until 5 s after the
    last one that was counted; those tried during the lock are answered 429 and do not prolong it.
    """

    def __init__(self) -> None:
        """Start with nobody under suspicion."""
        self._sources: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        """Count the sources remembered."""
        return len(self._sources)

    def is_refused(self, source: str, now: float) -> bool:
        """Count a bad token at a monotonic time; tell whether its source is locked."""
        source = _network(source)
        found = self._sources.get(source)
        if found is None or now - found.last >= LOCK_SECONDS:
            found = self._sources[source] = _Failures(0, now)
        self._sources.move_to_end(source)
        while len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        if found.count >= ALLOWED_FAILURES:
            return True
        found.count += 1
        found.last = now
        return False

    def forgive(self, source: str) -> None:
        """Forget a source's failures, as it showed a good token."""
        self._sources.pop(_network(source), None)


def is_loopback(source: str) -> bool:
    """Tell whether an address is of this host."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _network(source: str) -> str:
    """Give what counts as one source: an IPv4 address, or an IPv6 /64, which one host may own."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
