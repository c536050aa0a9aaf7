"""Lines around those that matched: `context` of windows and searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.wire import LogLine
    from engine.daemon.control import Control

MAX_CONTEXT = 50


def stretches(numbers: Iterable[int], around: int) -> list[tuple[int, int]]:
    """Join lines and what is around them to stretches [first, last] that do not touch."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        first, last = max(0, number - around), number + around
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


async def with_context(
    control: Control, name: str, lines: list[LogLine], around: int
) -> list[LogLine]:
    """Read the lines around some, whatever they say; in order of number.

    Args:
        control: The engine.
        name: The ring.
        lines: What matched.
        around: So many before and after each; those that were evicted are left out.
    """
    if not around or not lines:
        return lines
    known = {line.number: line for line in lines}
    for first, last in stretches(known, around):
        window = await control.log_window(name, first=first, count=last - first + 1)
        known.update((line.number, line) for line in window.lines if line.number <= last)
    return [known[number] for number in sorted(known)]
