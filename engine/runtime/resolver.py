"""The resolvers an instance with a way out can ask: the host's, if they are not on the host.

Source: resolv.conf(5).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.outbound import is_resolver

if TYPE_CHECKING:
    from engine.core.outbound import Outbound

RESOLV_CONF = Path("/etc/resolv.conf")

_FILES = (RESOLV_CONF, Path("/run/systemd/resolve/resolv.conf"))
"""The second has what systemd-resolved asks itself, where the first names the host's loopback."""

_MOST = 3
"""So many the C library asks."""


def resolvers(outbound: Outbound) -> tuple[str, ...]:
    """List resolvers that can be reached from an instance; none where the host knows none."""
    if outbound.dns:
        return outbound.dns
    for path in _FILES:
        named = [words[1] for words in _lines(path) if words[0] == "nameserver" and words[1:]]
        if found := [each for each in dict.fromkeys(named) if is_resolver(each)]:
            return tuple(found[:_MOST])
    return ()


def resolv_conf(addresses: tuple[str, ...]) -> str:
    """Write the file for an instance: these resolvers, and what else the host's says."""
    kept = [" ".join(words) for words in _lines(RESOLV_CONF) if words[0] in {"search", "options"}]
    return "".join(f"{line}\n" for line in [*(f"nameserver {each}" for each in addresses), *kept])


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [words for line in text.splitlines() if (words := line.split()) and line[0] not in "#;"]
