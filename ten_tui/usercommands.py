"""What the actions do that are about the user's own taste: colours, keys, the mouse."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ten_tui.panecommands import PaneCommands
from ten_tui.store.inspection import Section
from ten_tui.store.picker import Item, Picker
from ten_tui.store.tour import tour_facts
from ten_tui.store.why import Fact
from ten_tui.theme import Ink, config_dir
from ten_tui.version import program_version

if TYPE_CHECKING:
    from engine.core.errors import TenError
    from ten_tui.asking import Client


class UserCommands(PaneCommands):
    """The actions on the console itself."""

    def theme(self) -> None:
        """Choose a theme; what the cursor is on is shown at once."""
        stage = self._console.stage
        names = stage.theme_names()
        before = names[0][0] if names else ""
        items = [Item(name, label, name) for name, label in names]

        def chosen(name: str) -> None:
            stage.use_theme(name or before, is_kept=bool(name))

        def shown(name: str) -> None:
            stage.use_theme(name, is_kept=False)

        stage.pick(Picker("themes", items), chosen, shown)

    def typed_theme(self) -> None:
        """Take the theme that was named."""
        if not self._console.stage.use_theme(self._words[0], is_kept=True):
            self._console.deeds.say(f"no theme is called {self._words[0]}", Ink.BAD)

    def host(self) -> None:
        """Go to the next host."""
        self._show_host("")

    def typed_host(self) -> None:
        """Go to the host that was named."""
        self._show_host(self._words[0])

    def _show_host(self, name: str) -> None:
        if reason := self._console.stage.show_host(name):
            self._console.deeds.say(reason, Ink.WARN)

    def bundle(self) -> None:
        """Save what happened of late under a name of its own, in the current folder."""
        at = datetime.fromtimestamp(self._ui.view.now).astimezone()
        host = self._ui.view.engine.hostname if self._ui.view.engine else "host"
        safe = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in host)
        self._save_bundle(Path(f"ten-{safe}-{at:%Y%m%d-%H%M%S}.zip"))

    def typed_bundle(self) -> None:
        """Save it under the name that was typed."""
        self._save_bundle(Path(" ".join(self._words)).expanduser())

    def _save_bundle(self, path: Path) -> None:
        deeds = self._console.deeds
        deeds.say(f"saving to {path} ...", Ink.DIM)

        def job(client: Client) -> object:
            from ten_tui.client import bundle_file
            from ten_tui.client.bundle import gather

            found = gather(client, program_version())
            bundle_file.write(path, found)
            return found.manifest

        def done(_value: object, error: TenError | None) -> None:
            if error is not None:
                deeds.say(f"not saved: {error}", Ink.BAD)
            else:
                said = f"saved to {path}, secrets by name masked: logs may hold others"
                deeds.say(said, Ink.OK, f"ten --replay {path}")

        self._console.link.ask(job, done)

    def mouse(self) -> None:
        """Give the mouse away, or take it back."""
        is_on = self._console.stage.toggle_mouse()
        key = self._ui.keys["mouse"]
        selects = f"the mouse selects text: {key} takes it back"
        text = "the mouse is the console's" if is_on else selects
        self._console.deeds.say(text, Ink.DIM)

    def redraw(self) -> None:
        """Write all anew."""
        self._console.stage.redraw()

    def tour(self) -> None:
        """Show the console in ten lines."""
        section = Section("", tour_facts(self._ui.keys))
        self._console.stage.show_facts("the console in ten lines", [section])

    def problems(self) -> None:
        """Show what is wrong with the user's own keys and themes."""
        found = self._console.stage.problems()
        if not found:
            self._console.deeds.say("nothing is wrong with your keys and themes", Ink.OK)
            return
        folder = str(config_dir())
        facts = tuple(Fact("", text.removeprefix(f"{folder}/"), Ink.WARN) for text in found)
        self._console.stage.show_facts("your keys and themes", [Section(f"in {folder}", facts)])
