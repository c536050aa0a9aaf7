"""Looks below the surface: the isolation card of an instance, and the doctor of its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.doctor import Report, lines_of
from engine.core.inspection import Inspection
from ten_tui.store.inspection import sections_of, sections_of_report
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from engine.core.errors import TenError
    from ten_tui.deeds import Deeds
    from ten_tui.link import Link
    from ten_tui.stage import Stage


class Looks:
    """Asks the engine, and lays what it says over the panes."""

    def __init__(self, link: Link, stage: Stage, deeds: Deeds) -> None:
        """Take the link it asks over, and where answers and failures are shown."""
        self._link = link
        self._stage = stage
        self._deeds = deeds

    def inspect(self, name: str) -> None:
        """Show an instance's plan and what its process really has."""
        if not name:
            self._deeds.say("nothing is selected", Ink.DIM)
            return

        def done(found: object, error: TenError | None) -> None:
            if error is not None or not isinstance(found, Inspection):
                self._deeds.say(f"inspect {name}: {error}", Ink.BAD)
                return
            self._stage.show_facts(f"{name} · isolation", sections_of(found))

        self._deeds.say(f"looking at {name}", Ink.DIM, f"ten inspect {name}")
        self._link.ask(lambda client: client.inspect(name), done)

    def doctor(self) -> None:
        """Show what the engine's host can and cannot do."""

        def done(report: object, error: TenError | None) -> None:
            if error is not None or not isinstance(report, Report):
                self._deeds.say(f"doctor: {error}", Ink.BAD)
                return
            sections = sections_of_report(lines_of(report))
            self._stage.show_facts(f"doctor · {report.host}", sections)

        self._deeds.say("looking at the host", Ink.DIM, "ten doctor")
        self._link.ask(lambda client: client.doctor(), done)
