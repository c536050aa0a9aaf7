"""The keys of a service that say how it is hardened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.hardening import (
    GRANTABLE,
    REACHES_HOST,
    RLIMITS,
    UNLIMITED,
    Hardening,
    HardeningSpec,
)
from engine.core.nearest import nearest
from engine.core.spec import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.config_table import Table

_MAX = 2**63 - 1


def read_hardening(table: Table, isolation: Isolation) -> HardeningSpec:
    """Read a service's hardening.

    Args:
        table: The service's.
        isolation: How it is kept apart; by itself `process` hides and forbids nothing.

    Raises:
        SpecError: A value is refused.
    """
    level = _read_level(table)
    names = _read_capabilities(table, is_checked=level is not Hardening.OFF)
    if isolation is Isolation.PROCESS:
        if level is Hardening.STRICT:
            message = 'hardening = "strict" cannot be had with isolation = "process"'
            table.fail("hardening", message, hint='use isolation = "namespace"')
        for key in ("hardening", "capabilities"):
            if key in table:
                table.warn(key, f'{key} has no effect with isolation = "process"')
    return HardeningSpec(level=level, capabilities=names, rlimits=_read_rlimits(table))


def _read_level(table: Table) -> Hardening:
    text = table.text("hardening", Hardening.DEFAULT)
    try:
        return Hardening(text)
    except ValueError:
        message = f"unknown level {short(text)!r}, expected one of {', '.join(Hardening)}"
        table.fail("hardening", message, hint=_nearest(text, Hardening))


def _read_capabilities(table: Table, *, is_checked: bool) -> tuple[str, ...]:
    found: list[str] = []
    for index, text in enumerate(table.texts("capabilities") or ()):
        name = text.lower().removeprefix("cap_")
        path = (*table.path, "capabilities", index)
        if name not in GRANTABLE and name not in REACHES_HOST:
            hint = _nearest(name, (*GRANTABLE, *REACHES_HOST)) or "see capabilities(7)"
            table.source.fail(f"unknown capability {short(text)!r}", path, hint=hint)
        if is_checked and name in REACHES_HOST:
            message = f"capability {name} leads out of the instance: {REACHES_HOST[name]}"
            hint = 'leave it out, or give up the protection with hardening = "off"'
            table.source.fail(message, path, hint=hint)
        if name not in found:
            found.append(name)
    return tuple(sorted(found))


def _read_rlimits(table: Table) -> dict[str, tuple[int, int]]:
    limits = table.table("rlimits")
    found: dict[str, tuple[int, int]] = {}
    for name in limits.names():
        if name not in RLIMITS:
            path = (*limits.path, name)
            hint = _nearest(name, RLIMITS) or f"use one of {', '.join(RLIMITS)}"
            message = f"unknown resource limit {short(name)!r}"
            limits.source.fail(message, path, is_value=False, hint=hint)
        found[name] = _read_rlimit(limits, name)
    return found


def _read_rlimit(limits: Table, name: str) -> tuple[int, int]:
    """Read a number for both limits, or "SOFT:HARD", where "unlimited" stands for none."""
    value = limits.raw(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX:
        return value, value
    parts = value.split(":") if isinstance(value, str) else []
    numbers = [_number(part.strip()) for part in parts]
    if not 1 <= len(numbers) <= 2 or None in numbers:
        hint = 'for example 65536, "unlimited" or "1024:65536"'
        limits.fail(name, f"{short(str(value))!r} is no limit or pair of limits", hint=hint)
    soft, hard = (numbers[0] or 0, numbers[-1] or 0)
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        limits.fail(name, "the soft limit, the first, is above the hard limit")
    return soft, hard


def _number(text: str) -> int | None:
    if text in ("unlimited", "infinity"):
        return UNLIMITED
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX))
    return int(text) if is_number and int(text) <= _MAX else None


def _nearest(text: str, known: Iterable[str]) -> str:
    near = nearest(text.lower(), known)
    return f'did you mean "{near}"?' if near else ""
