"""What the actions on deploys do: one method an action."""

from __future__ import annotations

from engine.core.names import is_label
from engine.core.rollout import Order
from engine.core.rollout_plan import READERS
from ten_tui.limitcommands import LimitCommands
from ten_tui.store.arrange import PaneId
from ten_tui.store.deploys import versions
from ten_tui.store.ui import Mode
from ten_tui.theme import Ink


class DeployCommands(LimitCommands):
    """The actions that deploy and steer."""

    def deploys(self) -> None:
        """Look at the service's versions."""
        self._console.focus(PaneId.DEPLOYS)

    def typed_deploys(self) -> None:
        """Look at the versions of the service that was named."""
        service = self._words[0].partition(":")[0]
        if service not in self._ui.view.services:
            self._console.deeds.say(f"no service is called {service}", Ink.BAD)
            return
        self._look_at(service)
        self.deploys()

    def deploy(self) -> None:
        """Ask which version to deploy."""
        self._console.ask(Mode.COMMAND, f"deploy {self._console.steering.service}:")

    def typed_deploy(self) -> None:
        """Deploy what was typed: SERVICE:VERSION, then options as `ten deploy` has them."""
        name, *options = self._words
        service, _, version = name.partition(":")
        if not (is_label(service) and is_label(version)):
            self._console.deeds.say(f"{name} names no version: service:version", Ink.BAD)
            return
        values = {}
        for word, value in zip(options[::2], [*options[1::2], ""], strict=False):
            key = word.removeprefix("--").replace("-", "_")
            if key not in READERS or not value:
                known = ", ".join(f"--{one.replace('_', '-')}" for one in READERS)
                self._console.deeds.say(f"{word}: what may be said is {known}", Ink.BAD)
                return
            values[key] = value
        self._console.steering.deploy(service, version, values)
        self._look_at(service)

    def pause_rollout(self) -> None:
        """Hold the rollout, or let it go on."""
        self._console.steering.pause_or_resume()

    def promote(self) -> None:
        """Leave out the pauses, or the rest of the window."""
        self._order("promote")

    def abort(self) -> None:
        """Go back from a rollout under way."""
        self._order("abort")

    def rollback(self) -> None:
        """Go back to the version before."""
        self._order("rollback")

    def typed_promote(self) -> None:
        """Promote the service that was named."""
        self._order("promote", self._words[0])

    def typed_abort(self) -> None:
        """Go back in the service that was named."""
        self._order("abort", self._words[0])

    def typed_rollback(self) -> None:
        """Go back in the service that was named."""
        self._order("rollback", self._words[0])

    def rollout(self) -> None:
        """Look at the rollout."""
        self.deploys()

    def typed_rollout(self) -> None:
        """Steer by a word, as `ten rollout` does, or look."""
        words = [word for word in self._words if word not in {*Order, "status", "diff"}]
        order = next((word for word in self._words if word in set(Order)), "")
        service = words[0] if words else ""
        if order:
            self._order(order, service)
        elif service:
            self._words = [service]
            self.typed_deploys()
        else:
            self.deploys()

    def _order(self, what: str, service: str = "") -> None:
        steering = self._console.steering
        steering.order(service.partition(":")[0] or steering.service, what)

    def _look_at(self, service: str) -> None:
        self._ui.table.filter = ""
        self._ui.table.cursor = f"{service}:"
        self._ui.table.rebuild(self._ui.view)
        self._console.moved()

    def move_in_deploys(self, steps: int) -> None:
        """Go to the next version: the table's cursor goes with it."""
        rows = versions(self._ui.view, self._console.steering.service)
        names = [row.instance.name for row in rows]
        if not names:
            return
        selected = self._ui.table.selected
        place = names.index(selected) + steps if selected in names else 0
        self._console.select(names[max(0, min(len(names) - 1, place))])
