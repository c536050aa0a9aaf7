"""Pressure stall information: how long tasks waited for CPU, memory and disks.

Source: Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

RESOURCES = ("cpu", "memory", "io")

REFRESH_SECONDS = 2.0
"""The kernel works the averages out no more often (PSI_FREQ)."""

_HOST = "/proc/pressure"


class Pressure(NamedTuple):
    """Share of the last 10 s, in percent, in which tasks waited; -1 where that is not known.

    Attributes:
        some: At least one task waited.
        full: All that were not idle waited at once. For the CPU of the whole host always 0.
    """

    some: float = -1.0
    full: float = -1.0


def parse_pressure(text: str) -> Pressure:
    """Read a pressure file; lines that are not there stay unknown."""
    found = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" avg10=")
        try:
            found[kind] = float(rest.partition(" ")[0])
        except ValueError:
            continue
    return Pressure(found.get("some", -1.0), found.get("full", -1.0))


def host_pressure(resource: str) -> Pressure:
    """Read the pressure of the host; unknown where the kernel has no PSI, or it is off."""
    try:
        return parse_pressure(Path(_HOST, resource).read_text())
    except OSError:
        return Pressure()
