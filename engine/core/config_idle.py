"""The keys that say what becomes of an instance that nobody asks anything of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import short

if TYPE_CHECKING:
    from engine.core.config_table import Table

_DAY_SECONDS = 86_400.0

MOST_PERCENT = 100.0 * 1024


def read_idle_timeout(table: Table) -> int:
    """Read `idle_timeout` in seconds; 0: never asleep."""
    return table.count("idle_timeout", 0)


def read_freeze_after(table: Table) -> float:
    """Read `freeze_after` in seconds; 0 where it is left out: never frozen.

    Raises:
        SpecError: It is no time above 0, or the instance would be asleep before it is frozen.
    """
    seconds = table.seconds("freeze_after", 0.0, _DAY_SECONDS)
    if "freeze_after" not in table:
        return 0.0
    if seconds <= 0:
        hint = "leave it out, so that nothing is frozen"
        table.fail("freeze_after", "freeze_after must be more than 0 seconds", hint=hint)
    idle = read_idle_timeout(table)
    if idle and seconds >= idle:
        message = f"freeze_after = {seconds:g} is not less than idle_timeout = {idle}"
        hint = "frozen comes first: give it the shorter time, or leave one of the two out"
        table.fail("freeze_after", message, hint=hint)
    return seconds


def read_idle_cpu(table: Table) -> float:
    """Read `idle_cpu` in percent of one core; 0 where it is left out: CPU use does not count.

    Raises:
        SpecError: It is no number above 0.
    """
    value = table.raw("idle_cpu")
    if value is None:
        return 0.0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(str(value)) <= MOST_PERCENT:  # refuses nan, too
        message = f"invalid value: {short(value)}, expected a percentage of one core above 0"
        table.fail("idle_cpu", message)
    if "idle_timeout" not in table and "freeze_after" not in table:
        table.warn("idle_cpu", "idle_cpu has no effect without idle_timeout or freeze_after")
    return float(str(value))
