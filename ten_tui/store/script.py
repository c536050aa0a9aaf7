"""Events as a shell script: what was done, to be done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.core.wire import Event


def marked(events: Sequence[Event], mark: int, cursor: int) -> list[Event]:
    """Give the events from a marked one to the one under the cursor, either way round.

    Args:
        events: In order of their ids.
        mark: Id of the marked one; one that is no longer kept means the oldest.
        cursor: Index of the one under the cursor.
    """
    if not events:
        return []
    cursor = max(0, min(cursor, len(events) - 1))
    at = next((place for place, one in enumerate(events) if one.id >= mark), len(events) - 1)
    first, last = sorted((at, cursor))
    return list(events)[first : last + 1]


def as_script(events: Sequence[Event], host: str) -> str:
    """Write a script; what no command does stands in it as a comment.

    Texts are made harmless and kept on their line: nothing in them can become a command.
    """
    lines = ["#!/bin/sh -e", f"# {fmt.clean(host)}"]
    for event in events:
        who = "" if event.actor == "engine" else f" ({fmt.clean(event.actor)})"
        lines.append(f"# {fmt.date_clock(event.time)} {fmt.clean(event.text)}{who}")
        command = fmt.clean(event.command)
        if command.startswith("ten "):
            lines.append(command)
    return "\n".join(lines) + "\n"
