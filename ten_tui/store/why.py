"""What the why card says of an instance that is not well."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.core.wire import State
from ten_tui import format as fmt
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.wire import InstanceView

QUOTE = "│"
"""Label of a line of output."""

WELL = frozenset({State.HEALTHY})


KEYS = {"restart": "r", "toggle": "s", "undo": "u"}
"""The keys as the registry has them."""


class Fact(NamedTuple):
    """One line of a card: what it is about, what is so, and how it is meant."""

    label: str
    text: str
    ink: Ink = Ink.TEXT


def why_facts(instance: InstanceView, now: float, keys: Mapping[str, str] = KEYS) -> list[Fact]:
    """Answer "why": the state and its age, the cause, what the engine will do, the last words.

    Args:
        instance: What is not well.
        now: Wall-clock seconds.
        keys: The keys to name in what the user can do, by action.
    """
    mark = fmt.MARKS[instance.state]
    age = fmt.long_duration(now - instance.state_since) if instance.state_since else ""
    facts = [Fact("", f"{instance.state.value} for {age}" if age else instance.state, mark.ink)]
    why = instance.why
    if why is not None:
        facts.append(Fact("why", why.summary, Ink.TEXT))
        if why.step:
            facts.append(Fact("step", f"{why.step}: {why.errno}", Ink.BAD))
        if why.path and why.path not in why.step:
            facts.append(Fact("path", why.path))
        if why.signal and why.signal not in why.summary:
            facts.append(Fact("signal", why.signal, Ink.BAD))
        if why.exit_code is not None and "exited" not in why.summary:
            facts.append(Fact("exit", str(why.exit_code), Ink.BAD))
        if why.since:
            when = f"{fmt.clock(why.since)}, {fmt.long_duration(now - why.since)} ago"
            facts.append(Fact("when", when, Ink.DIM))
    outlook = next_step(instance, now, keys)
    if outlook:
        facts.append(Fact("next", outlook, Ink.INFO))
    if why is not None:
        facts.extend(Fact(QUOTE, line, Ink.DIM) for line in why.stderr_tail)
    return facts


def next_step(instance: InstanceView, now: float, keys: Mapping[str, str] = KEYS) -> str:
    """Say what happens without the user, or what the user can do."""
    left = max(0.0, instance.until - now)
    match instance.state:
        case State.BACKOFF:
            return f"starts again in {left:.0f} s" if instance.until else "starts again"
        case State.FAILED:
            return f"stays down: its restarts are spent. {keys['restart']} restarts it"
        case State.STOPPED:
            return f"{keys['toggle']} starts it"
        case State.ASLEEP | State.FROZEN:
            return "the next request wakes it"
        case State.DRAINING:
            if instance.undo and instance.until:
                return f"{keys['undo']} undoes {instance.undo} for {left:.0f} s"
            return "stops when its requests are answered"
        case State.UNHEALTHY:
            return "is restarted"
        case _:
            text = f"restarts with the new config: {keys['restart']}"
            return text if instance.spec_changed else ""


def is_well(instance: InstanceView) -> bool:
    """Tell whether nothing needs saying."""
    return instance.state in WELL and instance.why is None
