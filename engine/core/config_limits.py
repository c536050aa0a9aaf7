"""The limits of a `[service.NAME]` table, by the kernel's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.limits import KEYS, PEER_KEYS, BadLimit, LimitsSpec, read_limit

if TYPE_CHECKING:
    from engine.core.config_table import Table


def read_limits(table: Table) -> LimitsSpec:
    """Read the limits.

    Raises:
        SpecError: A value is refused, or two keys say the same.
    """
    for peer, key in PEER_KEYS.items():
        if peer in table and key in table:
            message = f"{peer} and {key} are the same limit"
            table.fail(peer, message, hint="keep one of the two")
    found = {}
    for key in KEYS:
        value = table.raw(key)
        if value is not None:
            try:
                found[key] = read_limit(key, value)
            except BadLimit as error:
                table.fail(key, str(error))
    limits = LimitsSpec(**found)
    high, most = limits.memory_high or 0, limits.memory_max or 0
    if 0 < most < high:
        table.warn("memory_high", "memory_high is above memory_max and never counts")
    return limits
