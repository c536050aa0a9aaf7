"""What the console does to instances: at once where it can be undone, with a question where not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.core.names import is_label
from engine.core.nearest import nearest
from engine.core.wire import Desired, State
from ten_tui import actions
from ten_tui import format as fmt
from ten_tui.client import rollouts
from ten_tui.store.picker import Item, Picker
from ten_tui.store.radius import listed, radius, to_type, who
from ten_tui.store.table import GroupRow
from ten_tui.store.ui import Message, Mode, UndoOffer
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.core.errors import TenError
    from engine.core.wire import InstanceView
    from ten_tui.asking import Client
    from ten_tui.link import Link
    from ten_tui.stage import Stage
    from ten_tui.store.ui import UiState

UNDO_SECONDS = 10.0
ASK_ABOVE = 10
"""More instances than this are not touched by one key."""

_SAY_SECONDS = 8.0
_TYPED = frozenset({"stop", "restart"})
_DOWN = frozenset({State.STOPPED, State.ASLEEP, State.FAILED})


class Deeds:
    """Acts on instances, and what the foot line says of them."""

    def __init__(self, ui: UiState, link: Link, stage: Stage) -> None:
        """Take the state they read, the link they go over and the terminal they report on."""
        self._ui = ui
        self._link = link
        self._stage = stage
        self._awaited: tuple[str, Callable[[], None]] = ("", _nothing)
        self.guard: Callable[[str, tuple[str, ...], Callable[[], None]], None] = _at_once
        """Comes before every act on instances, and may ask."""

    def say(self, text: str, ink: Ink = Ink.TEXT, command: str = "") -> None:
        """Show a message in the foot line for a while."""
        until = self._stage.clock() + _SAY_SECONDS
        self._ui.message = Message(text, ink, command, until)
        self._stage.repaint(())

    def may_act(self) -> bool:
        """Tell whether acting is possible now; say why not."""
        view = self._ui.view
        if not view.is_live:
            self.say("not connected: nothing was done", Ink.WARN)
            return False
        if not self._ui.timeline.is_now:
            key = self._ui.keys.get("back", "Esc")
            self.say(f"this is the past: {key} returns to now, then act", Ink.WARN)
            return False
        if view.engine is not None and view.engine.is_recording:
            self.say("a recording: nothing can be done in it", Ink.WARN)
            return False
        if view.engine is not None and view.engine.read_only:
            self.say("read-only: this credential may only look", Ink.WARN)
            return False
        return True

    def restart(self, names: tuple[str, ...]) -> None:
        """Restart instances; a stopped one starts."""
        self._check("restart", names, partial(self._each, "restart", _restart_one, names))

    def toggle(self, names: tuple[str, ...]) -> None:
        """Stop what runs; start where nothing of it runs."""
        known = self._ui.view.instances
        down = tuple(n for n in names if n not in known or _is_down(known[n]))
        if names and len(down) == len(names):
            self._check("start", names, partial(self._each, "spawn", _spawn_one, names))
            return
        self.stop(names)

    def stop(self, names: tuple[str, ...]) -> None:
        """Stop what runs of these; what is down stays so."""
        known = self._ui.view.instances
        running = tuple(n for n in names if n in known and not _is_down(known[n]))
        if names and not running:
            verb = "is" if len(names) == 1 else "are"
            self.say(f"nothing to stop: {_some(names)} {verb} not running", Ink.DIM)
            return
        self._check("stop", running, partial(self._stop, running))

    def spawn(self, names: tuple[str, ...]) -> None:
        """Start instances, known or new."""
        self._check("start", names, partial(self._each, "spawn", _spawn_one, names))

    def set_weight(self, names: tuple[str, ...], text: str) -> None:
        """Give instances a weight, as typed."""
        if not text.isdigit() or int(text) > 100:
            self.say("a weight is a whole number from 0 to 100", Ink.BAD)
            return
        weight = int(text)

        def act(client: Client, name: str) -> object:
            return client.set_weight(name, weight)

        def both() -> None:
            self._each("weight", act, names, suffix=f" {weight}")
            self._offer_undo(names, f"weight of {_some(names)}")

        self.guard("weigh", names, both)

    def set_limits(self, names: tuple[str, ...], texts: dict[str, str]) -> None:
        """Give instances limits of their own; an empty one goes back to the configuration."""

        def act(client: Client, name: str) -> object:
            return client.set_limits(name, texts)

        words = [f"{key}={text}" for key, text in texts.items()]
        quoted = [f'"{word}"' if " " in word else word for word in words]
        suffix = " ".join(["", *quoted])
        self._check("set", names, partial(self._each, "set", act, names, suffix))

    def undo(self) -> None:
        """Take the last act back, on all it touched."""
        offer = self._ui.undo
        names: tuple[str, ...] = ()
        order = ""
        if offer is not None and offer.until > self._stage.clock():
            names, order = offer.names, offer.order
        else:
            view = self._ui.view
            selected = view.instances.get(self._ui.table.selected)
            if selected is not None and selected.undo:
                names = (selected.name,)
        if not names:
            self.say("nothing to undo", Ink.DIM)
            return
        self._ui.undo = None

        def done(value: object, error: TenError | None) -> None:
            if error is not None:
                self.say(f"not undone: {error}", Ink.BAD)
            else:
                self.say(f"undone: {value or 'the last act'} on {_some(names)}", Ink.OK)

        self._link.ask(partial(_take_back, names=names, order=order), done)

    def _stop(self, names: tuple[str, ...]) -> None:
        def act(client: Client, name: str) -> object:
            return client.stop(name, hold_seconds=UNDO_SECONDS)

        self._each("stop", act, names)
        self._offer_undo(names, f"stop of {_some(names)}")

    def _offer_undo(self, names: tuple[str, ...], text: str) -> None:
        self._ui.undo = UndoOffer(names, text, self._stage.clock() + UNDO_SECONDS)
        self._stage.repaint(())

    def _each(
        self,
        word: str,
        act: Callable[[Client, str], object],
        names: tuple[str, ...],
        suffix: str = "",
    ) -> None:
        command = f"ten {word} {names[0]}{suffix}" if len(names) == 1 else ""
        if self._ui.undo is not None and set(self._ui.undo.names) & set(names):
            # What it would take back is no longer the last thing done to them.
            self._ui.undo = None
        self.say(f"{word} {_some(names)}{suffix}", Ink.ACCENT, command)

        def job(client: Client) -> object:
            for name in names:
                act(client, name)
            return None

        def done(_: object, error: TenError | None) -> None:
            if error is not None:
                hint = f" ({error.hint})" if error.hint else ""
                self._ui.undo = None
                self.say(f"{word} {_some(names)}: {error}{hint}", Ink.BAD)
            elif word in {"restart", "spawn", "set"}:
                self.say(f"{word} {_some(names)}: done", Ink.OK, command)

        self._link.ask(job, done)

    def _check(self, word: str, names: tuple[str, ...], act: Callable[[], None]) -> None:
        """Act, or ask first where it touches more than the cursor shows."""
        if not names:
            self.say(f"nothing to {word}", Ink.DIM)
            return
        engine = self._ui.view.engine
        is_group = isinstance(self._ui.table.row, GroupRow) and not self._ui.table.marks
        is_wide = len(names) > 1 and (is_group or len(names) > ASK_ABOVE)
        is_protected = engine is not None and engine.protect
        taken = radius(word, names, self._ui.view.instances, self._ui.view.samples)
        if is_protected and word in _TYPED:
            self._ask_to_type(word, names, taken, act)
            return
        if not (is_wide or is_protected):
            self.guard(word, names, act)
            return
        picker = Picker(
            f"{word} {who(names)}?",
            [Item("", "leave it", key="n"), Item("do", f"{word} {_many(names)}", key="y")],
            text=(*taken, *listed(names)),
        )
        self._stage.pick(picker, lambda answer: act() if answer == "do" else None)

    def _ask_to_type(
        self, word: str, names: tuple[str, ...], taken: tuple[str, ...], act: Callable[[], None]
    ) -> None:
        """Have the name typed before a protected engine loses what runs."""
        wanted = to_type(names)
        self._awaited = wanted, act
        self._ui.mode = Mode.CONFIRM
        self._ui.prompt.begin(f"{word} {who(names)}: type {wanted} ", "")
        self._ui.message = Message(
            " · ".join((*taken, "Esc leaves it")), Ink.WARN, until=float("inf")
        )
        self._stage.repaint(())

    def typed(self, text: str) -> None:
        """Do what waits for its name, if it is the one that was typed."""
        wanted, act = self._awaited
        self._awaited = "", _nothing
        if wanted and text == wanted:
            act()
        else:
            self.say(f"left as it is: {wanted} was not typed", Ink.DIM)

    def menu(self, names: tuple[str, ...], then: Callable[[str], None]) -> None:
        """Show everything that can be done with the selection, each with its command line."""
        if not names:
            self.say("nothing is selected", Ink.DIM)
            return
        is_off = not self._ui.view.can_act
        labels = self._ui.keys
        items = [
            Item(
                action.id,
                action.title,
                action.command(names[0]) if action.command else "",
                key=labels[action.id] if len(labels[action.id]) == 1 else "",
                is_off=action.acts and is_off,
            )
            for action in actions.on_selection()
        ]
        self._stage.pick(Picker(_some(names), items), then)


def share_preview(instances: list[InstanceView], name: str, text: str) -> str:
    """Say what share of its service's traffic a weight would give."""
    if not text.isdigit() or int(text) > 100:
        return "0 to 100"
    service = name.partition(":")[0]
    others = sum(
        one.weight
        for one in instances
        if one.service == service and one.name != name and one.desired is Desired.RUNNING
    )
    total = others + int(text)
    return f"{fmt.percent(int(text) / total)} of {service}" if total else f"none of {service}"


def unknown_instance(name: str, known: Iterable[str]) -> str:
    """Say that no instance has a name, and which one may be meant."""
    near = nearest(name, known)
    return f"no instance is called {name}" + (f": {near}?" if near else "")


def valid_names(words: list[str]) -> tuple[str, ...]:
    """Pick out what is an instance's name."""
    return tuple(word for word in words if all(map(is_label, word.partition(":")[::2])))


def _restart_one(client: Client, name: str) -> object:
    return client.restart(name)


def _spawn_one(client: Client, name: str) -> object:
    return client.spawn(name)


def _take_back(client: Client, names: tuple[str, ...], order: str) -> object:
    if order:
        rollouts.order(client, names[0], order)
        return "the way back"
    return [client.undo(name) for name in names][-1]


def _at_once(_word: str, _names: tuple[str, ...], act: Callable[[], None]) -> None:
    act()


def _is_down(instance: InstanceView) -> bool:
    return instance.state in _DOWN or instance.desired is Desired.STOPPED


def _some(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else fmt.plural(len(names), "instance")


def _many(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"all {len(names)}"


def _nothing() -> None:
    """Do nothing."""
