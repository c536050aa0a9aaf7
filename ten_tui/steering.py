"""What the console does to rollouts: begin, hold, go on, go back; and who else is at it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.core.errors import NotFound
from engine.core.wire_rollout import Comparison, RolloutView
from ten_tui.client import rollouts
from ten_tui.store.arrange import PaneId
from ten_tui.store.deploys import lock_of, radius_of, service_of, versions
from ten_tui.store.picker import Item, Picker
from ten_tui.store.ui import UndoOffer
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.errors import TenError
    from ten_tui.asking import Client
    from ten_tui.deeds import Deeds
    from ten_tui.link import Link
    from ten_tui.stage import Stage
    from ten_tui.store.ui import UiState

COMPARE_SECONDS = 5.0
UNDO_SECONDS = 10.0
_BACK = frozenset({"abort", "rollback"})


class Steering:
    """Acts on rollouts."""

    def __init__(self, ui: UiState, link: Link, stage: Stage, deeds: Deeds) -> None:
        """Take the state they read, the link they go over and where things are said."""
        self._ui = ui
        self._link = link
        self._stage = stage
        self._deeds = deeds
        self._asked: tuple[object, ...] = ()
        self._asked_at = 0.0

    @property
    def service(self) -> str:
        """The service that is looked at."""
        return service_of(self._ui.view, self._ui.table.cursor)

    # --- what is compared ---

    def refresh(self) -> None:
        """Have the versions compared while they are looked at: as one moved, and at times."""
        if self._ui.focus is not PaneId.DEPLOYS or not self._ui.view.is_live:
            return
        service, old, new = self._pair()
        rollout = self._ui.view.rollouts.get(service)
        place = (rollout.state, rollout.step, rollout.begun_at) if rollout else ()
        wish = (service, old, new, *place)
        now = self._stage.clock()
        if not (old and new) or (wish == self._asked and now - self._asked_at < COMPARE_SECONDS):
            return
        self._asked, self._asked_at = wish, now
        self._link.ask(
            lambda client: rollouts.difference(client, service, old, new), self._take_compared
        )

    def _pair(self) -> tuple[str, str, str]:
        service = self.service
        rollout = self._ui.view.rollouts.get(service)
        if rollout is not None and rollout.news and rollout.olds:
            return service, _ident(rollout.olds[0]), _ident(rollout.news[0])
        rows = versions(self._ui.view, service)
        names = [row.instance.name for row in rows]
        new = self._ui.table.selected if self._ui.table.selected in names else ""
        old = max((r for r in rows if r.instance.name != new), key=lambda r: r.share, default=None)
        return service, _ident(old.instance.name) if old else "", _ident(new)

    def _take_compared(self, value: object, error: TenError | None) -> None:
        if error is None and isinstance(value, Comparison):
            self._ui.deploys.compared = value
        elif isinstance(error, NotFound):
            self._ui.deploys.compared = None
        self._stage.repaint((PaneId.DEPLOYS,))

    # --- what is done ---

    def pause_or_resume(self) -> None:
        """Hold the rollout where it is, or let it go on."""
        rollout = self._ui.view.rollouts.get(self.service)
        self.order(self.service, "resume" if rollout and rollout.state == "paused" else "pause")

    def order(self, service: str, what: str) -> None:
        """Steer a service's rollout; ask first where another is at it, or nothing takes it back."""
        rollout = self._ui.view.rollouts.get(service)
        if rollout is None:
            self._deeds.say(f"{service or 'nothing here'} has had no rollout", Ink.DIM)
            return
        act = partial(self._order, rollout, what)
        taken = radius_of(self._ui.view, rollout, what)
        engine = self._ui.view.engine
        is_last = what == "promote" and rollout.state == "promoted"
        is_protected = engine is not None and engine.protect and what in {*_BACK, "promote"}
        lock = lock_of(self._ui.view, [f"{service}:"], self._ui.deploys.own)
        if not (is_last or is_protected or lock):
            act()
            return
        self._ask(f"{what} the rollout of {service}?", what, (lock, taken), act)

    def guarded(self, word: str, names: tuple[str, ...], act: Callable[[], None]) -> None:
        """Act on instances; ask first where another's rollout is under way with them."""
        lock = lock_of(self._ui.view, names, self._ui.deploys.own)
        if not lock:
            act()
            return
        self._ask(f"{word} {names[0]} all the same?", word, (lock,), act)

    def _ask(self, title: str, word: str, text: tuple[str, ...], act: Callable[[], None]) -> None:
        items = [Item("", "leave it", key="n"), Item("do", word, key="y")]
        picker = Picker(title, items, text=tuple(filter(None, text)))
        self._stage.pick(picker, lambda answer: act() if answer == "do" else None)

    def _order(self, rollout: RolloutView, what: str) -> None:
        service = rollout.service
        verb = "rollback" if what == "rollback" else f"rollout {what}"
        command = f"ten {verb} {service}"
        taken = radius_of(self._ui.view, rollout, what)
        self._deeds.say(f"{what} of {service}: {taken}" if taken else command, Ink.ACCENT, command)

        def done(value: object, error: TenError | None) -> None:
            if error is not None:
                hint = f" ({error.hint})" if error.hint else ""
                self._deeds.say(f"{what} of {service}: {error}{hint}", Ink.BAD)
            elif isinstance(value, RolloutView):
                self._take_order(rollout, value, what)

        self._link.ask(lambda client: rollouts.order(client, service, what), done)

    def _take_order(self, before: RolloutView, now: RolloutView, what: str) -> None:
        self._ui.view.rollouts[now.service] = now
        self._ui.deploys.own.add((now.service, now.begun_at))
        if what in _BACK:
            # One that was done is gone back from by a rollout of its own: going back from that
            # is its undoing.
            order = "undo" if now.begun_at == before.begun_at else "rollback"
            until = self._stage.clock() + UNDO_SECONDS
            text = f"{what} of {now.service}"
            self._ui.undo = UndoOffer((now.service,), text, until, order=order)
        self._stage.repaint((PaneId.DEPLOYS, PaneId.TABLE, PaneId.DETAIL))

    def deploy(self, service: str, version: str, values: dict[str, str]) -> None:
        """Deploy a version: by a rollout if one is said or configured, else at once."""
        name = f"{service}:{version}"
        words = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in values.items())
        command = f"ten deploy {name} {words}".rstrip()

        def job(client: Client) -> object:
            if values or rollouts.plan(client, service).strategy is not None:
                return rollouts.start(client, service, version, values)
            return client.deploy(service, version, weight=100, timeout=30)

        def done(value: object, error: TenError | None) -> None:
            if error is not None:
                hint = f" ({error.hint})" if error.hint else ""
                self._deeds.say(f"deploy of {name}: {error}{hint}", Ink.BAD)
            elif isinstance(value, RolloutView):
                self._ui.deploys.own.add((service, value.begun_at))
                self._ui.view.rollouts[service] = value
                self._deeds.say(f"{name} is being rolled out ({value.strategy})", Ink.OK, command)
            else:
                self._deeds.say(f"{name} is deployed", Ink.OK, command)
            self._stage.repaint((PaneId.DEPLOYS,))

        def act() -> None:
            self._deeds.say(f"deploy {name}", Ink.ACCENT, command)
            self._link.ask(job, done)

        self.guarded("deploy", (name,), act)


def _ident(name: str) -> str:
    return name.partition(":")[2]
