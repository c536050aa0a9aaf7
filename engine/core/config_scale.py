"""`[service.NAME.scale]`: how many instances of a service there are, by its load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.scale import MAX_INSTANCES, MAX_SECONDS, Scale, Target

if TYPE_CHECKING:
    from engine.core.config_table import Table

_MOST_AMOUNT = 1e9

_EXPECTED = {
    Target.INFLIGHT: "a number of requests in flight",
    Target.CPU: "a percentage of one core",
    Target.RPS: "a number of requests a second",
}


def read_scale(service: Table, *, declared: int, max_instances: int) -> Scale | None:
    """Read it; None where there is none.

    Args:
        service: The table it is in.
        declared: How many ids `[instances]` gives the service.
        max_instances: Of the service.

    Raises:
        SpecError: A value is none, or contradicts another.
    """
    if "scale" not in service:
        return None
    table = service.table("scale")
    target = _read_target(table)
    least, most = _read_bounds(table, declared, max_instances)
    scale = Scale(
        least=least,
        most=most,
        target=target,
        amount=_read_amount(table, target),
        up_after_seconds=table.seconds("up_after", 10.0, MAX_SECONDS),
        down_after_seconds=table.seconds("down_after", 300.0, MAX_SECONDS),
    )
    if least and "idle_timeout" in service and service.raw("idle_timeout"):
        message = f"idle_timeout puts to sleep what scale.min = {least} keeps up"
        service.fail("idle_timeout", message, hint="leave it out, or let scale.min be 0")
    table.finish()
    return scale


def _read_target(table: Table) -> Target:
    said = [each for each in Target if each in table]
    if not said:
        message = f"missing field: one of {', '.join(Target)}"
        table.source.fail(message, table.path, is_value=False)
    if len(said) > 1:
        message = f"{said[0]} and {said[1]} cannot both be followed"
        table.fail(said[1], message, hint="keep one of the two")
    return said[0]


def _read_bounds(table: Table, declared: int, max_instances: int) -> tuple[int, int]:
    least = table.count("min", 1)
    if "max" not in table:
        table.required("max")
    most = table.count("max", 0, minimum=1)
    highest = min(max_instances, MAX_INSTANCES)
    if most > highest:
        message = f"max = {most} is more than max_instances = {highest}"
        table.fail("max", message, hint="raise max_instances of the service, up to 1000")
    if least > most:
        table.fail("min", f"min = {least} is more than max = {most}")
    if declared > most:
        message = f"max = {most} is less than the {declared} ids that [instances] gives"
        table.fail("max", message, hint="replicas come on top of those; declare one of them")
    return least, most


def _read_amount(table: Table, target: Target) -> float:
    value = table.raw(target)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(str(value)) <= _MOST_AMOUNT:  # refuses nan, too
        message = f"invalid value: {short(value)}, expected {_EXPECTED[target]} above 0"
        table.fail(target, message)
    return float(str(value))
