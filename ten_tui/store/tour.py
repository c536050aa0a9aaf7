"""The console in ten lines, for who sees it for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui.store.why import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINES = (
    ("down up", "go through the instances; what is not well stands out, and is counted on top"),
    ("open", "opens: why it is not well, or its log; Esc goes back"),
    ("logs", "reads the log; Space pauses and follows, / searches, & shows only what matches"),
    ("restart toggle", "restart, and stop or start; the line at the foot names the command"),
    ("undo", "takes a stop or a weight back, for ten seconds"),
    ("mark menu", "marks several; all that can be done with them"),
    ("filter", "filters: a name, state:failed, -word"),
    ("next_pane zoom", "next pane; zoom it. Wider terminals show more of them at once"),
    ("palette command", "finds any action by its words; or type it"),
    ("quit", "detaches. Leaving stops nothing: all runs on, and `ten` comes back to it"),
)


def tour_facts(keys: Mapping[str, str]) -> tuple[Fact, ...]:
    """Write the tour with the keys in force."""
    return tuple(
        Fact(" ".join(keys.get(name, "") for name in names.split()), text) for names, text in _LINES
    )
