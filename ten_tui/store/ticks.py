"""What happened, as marks on the time axis of the graphs; and what state was then."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from engine.core.wire import EventKind, State
from ten_tui.store.groups import is_group
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.core.wire import Event
    from ten_tui.store.past import Window


class Tick(IntEnum):
    """A kind of mark; where several meet in a column the greatest is drawn."""

    CONFIG = 1
    RESTART = 2
    DEPLOY = 3
    FAILURE = 4
    OOM = 5


GLYPHS: dict[Tick, tuple[str, str, Ink]] = {
    Tick.CONFIG: ("≡", "c", Ink.INFO),
    Tick.RESTART: ("↻", "r", Ink.WARN),
    Tick.DEPLOY: ("◆", "d", Ink.ACCENT),
    Tick.FAILURE: ("✖", "x", Ink.BAD),
    Tick.OOM: ("▼", "M", Ink.BAD),
}
"""How each is drawn, its stand-in in ASCII, and its ink."""

WORDS: dict[Tick, str] = {
    Tick.CONFIG: "config",
    Tick.RESTART: "restart",
    Tick.DEPLOY: "deploy",
    Tick.FAILURE: "failure",
    Tick.OOM: "out of memory",
}

_DEPLOYS = ("ten deploy", "ten route", "ten weight")
_RESTARTS = ("ten restart", "ten spawn")
_OOM = "the kernel killed"


def tick_of(event: Event) -> Tick | None:
    """Tell which mark an event is, if any."""
    if _OOM in event.text:
        return Tick.OOM
    if event.command.startswith(_DEPLOYS):
        return Tick.DEPLOY
    if event.command.startswith(_RESTARTS):
        return Tick.RESTART
    if event.kind is EventKind.CONFIG:
        return Tick.CONFIG
    if event.kind is EventKind.STATE:
        state = state_of(event)
        if state is State.STARTING and "again" in event.text:
            return Tick.RESTART
        return Tick.FAILURE if event.level == "error" else None
    return None


def ticks(events: Iterable[Event], name: str, window: Window, width: int) -> dict[int, Tick]:
    """Give the marks of an instance or group, and of the configuration, by cell of `width`."""
    found: dict[int, Tick] = {}
    for event in events:
        is_of_group = is_group(name) and event.instance.startswith(name)
        if event.instance not in {name, ""} and not is_of_group:
            continue
        tick = tick_of(event)
        place = window.place(event.time)
        if tick is None or not 0 <= place < window.bins:
            continue
        cell = place * width // window.bins
        found[cell] = max(found.get(cell, tick), tick)
    return found


def state_of(event: Event) -> State | None:
    """Read which state an event of the lifecycle tells of; None where it tells of none."""
    if event.kind is not EventKind.STATE:
        return None
    said = event.text.removeprefix(f"{event.instance} ")
    if said.startswith("is woken"):
        return State.HEALTHY
    if said.startswith("starts again"):
        return State.BACKOFF if said.startswith("starts again in ") else State.STARTING
    if said.startswith("finishes"):
        return State.DRAINING
    word = said.removeprefix("is ").partition(":")[0]
    return _BY_WORD.get(word)


_BY_WORD = {state.value: state for state in State}


def states_at(events: Iterable[Event], at: float) -> dict[str, State]:
    """Give the state each instance was in at a time, as far back as the events reach."""
    found: dict[str, State] = {}
    for event in events:
        if event.time > at:
            break
        if event.instance and (state := state_of(event)) is not None:
            found[event.instance] = state
    return found
