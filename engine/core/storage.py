"""What is made of the size of an instance's data directory."""

from __future__ import annotations

from enum import StrEnum

NEAR = 0.8
"""Share of the quota from which it is warned about."""

_LEAVE = 0.95
"""A level is left only this far below where it begins, so that nobody is told twice a minute."""

CALM_SECONDS, WATCHFUL_SECONDS, MAX_SECONDS = 30.0, 5.0, 600.0
"""Between two measurements of one directory: where nothing hangs on it, where something does, and
at most."""

_CALM_REST, _WATCHFUL_REST = 50.0, 20.0
"""So many times as long as the walk took nothing is measured: 2% of a core, or 5%."""


class StorageLevel(StrEnum):
    """How full a quota is."""

    FREE = "free"
    NEAR = "near"
    OVER = "over"


def level_of(used: int, quota: int, before: StorageLevel) -> StorageLevel:
    """Judge a size in bytes; a quota of 0 is none."""
    if not quota:
        return StorageLevel.FREE
    over = quota * (_LEAVE if before is StorageLevel.OVER else 1.0)
    near = quota * NEAR * (_LEAVE if before is not StorageLevel.FREE else 1.0)
    if used > over:
        return StorageLevel.OVER
    return StorageLevel.NEAR if used >= near else StorageLevel.FREE


def seconds_until_next(walk_seconds: float, *, is_running: bool, is_watchful: bool) -> float:
    """Say when to measure again: the dearer the walk the later, sooner where something hangs on it.

    What does not run writes nothing, so that it is looked at seldom.
    """
    if not is_running:
        return MAX_SECONDS
    least, rest = (WATCHFUL_SECONDS, _WATCHFUL_REST) if is_watchful else (CALM_SECONDS, _CALM_REST)
    return min(max(least, walk_seconds * rest), MAX_SECONDS)


def sentence(name: str, used: int, quota: int, level: StorageLevel) -> str:
    """Say how full it is."""
    share = f"{used * 100 // quota}% of its quota" if quota else "no quota"
    figures = f"{used / 2**20:.1f} of {quota / 2**20:.0f} MiB"
    match level:
        case StorageLevel.OVER:
            return f"{name} stores more than its quota: {figures}"
        case StorageLevel.NEAR:
            return f"{name} stores {share}: {figures}"
        case StorageLevel.FREE:
            return f"{name} has room again: {figures}" if quota else f"{name} has no quota any more"
