"""`ten deploy --inline`: a rollout drawn anew in its place, until it is through or gone back."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from engine.core.sanitize import sanitize
from ten_tui.store.deploys import gate, outlook, place_of, steps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from engine.core.wire_rollout import RolloutView

_GLYPHS = {"done": "✔", "now": "●", "next": "○", "failed": "✖"}
_PLAIN = {"done": "+", "now": "*", "next": "-", "failed": "x"}


def can_redraw(out: TextIO = sys.stdout, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether what is drawn on an output can be drawn over."""
    return out.isatty() and environ.get("TERM", "") not in {"", "dumb"}


def watch_lines(view: RolloutView, now: float, *, is_plain: bool = False) -> list[str]:
    """Lay a rollout out: where it is, its stations, what comes, its gate, its weights.

    Args:
        view: The rollout.
        now: Wall clock, seconds since the epoch.
        is_plain: In ASCII.
    """
    glyphs, dash = (_PLAIN, "--") if is_plain else (_GLYPHS, "──")
    stations = f" {dash} ".join(f"{glyphs[step.place]} {step.label}" for step in steps(view))
    lines = [f"{view.service}: {place_of(view)}", f"  {stations}"]
    if coming := outlook(view, now):
        lines.append(f"  {coming}")
    for row in gate(view):
        over = "" if row.is_good else "  over it"
        figures = f"{row.new:>9} new {row.old:>9} old   limit {row.limit}"
        lines.append(f"  {row.label:<9}{figures}{over}")
    weights = ", ".join(f"{name} {weight}" for name, weight in sorted(view.weights.items()))
    lines.append(f"  weights  {weights}")
    if view.reason:
        lines.append(f"  {view.reason}")
    return [sanitize(line) for line in lines]


class Watch:
    """The place on a terminal where it is drawn."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        """Begin below what is there."""
        self._out = out
        self._above = 0
        self._is_plain = not (out.encoding or "").lower().startswith("utf")

    def draw(self, view: RolloutView, now: float) -> None:
        """Draw it over what was drawn before."""
        width = max(20, shutil.get_terminal_size((80, 24)).columns)
        lines = [line[: width - 1] for line in watch_lines(view, now, is_plain=self._is_plain)]
        back = f"\x1b[{self._above}A\r" if self._above else ""
        self._out.write(back + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._out.flush()
        self._above = len(lines)
