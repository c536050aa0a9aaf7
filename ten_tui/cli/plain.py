"""`ten --plain`: what the console shows as lines, once or as it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.wire import EventHappened, InstanceChanged, InstanceGone
from ten_tui.client import connect
from ten_tui.store.plain import event_line, instance_lines, plain_lines
from ten_tui.store.view import LinkState, View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.wire import Snapshot, State, Update
    from ten_tui.client import Endpoint


def plain(endpoint: Endpoint, *, is_following: bool) -> int:
    """Print everything; then, if following, each event and each change of a state as it comes.

    Raises:
        EngineUnreachable: Nobody answers, or the engine went away.
    """
    view = View()
    view.link.state = LinkState.LIVE
    if not is_following:
        with connect(endpoint) as client:
            print_state(client.snapshot())
        return 0
    with connect(endpoint) as client:
        updates = client.stream()
        view.apply(next(updates))
        _print(plain_lines(view))
        states = {name: one.state for name, one in view.instances.items()}
        for update in updates:
            view.apply(update)
            _print(_changes(view, update, states))
    return 0


def print_state(snapshot: Snapshot) -> None:
    """Print all of a state."""
    view = View()
    view.link.state = LinkState.LIVE
    view.apply(snapshot)
    _print(plain_lines(view))


def _changes(view: View, update: Update, states: dict[str, State]) -> Iterator[str]:
    match update:
        case EventHappened(event=event):
            yield event_line(event)
        case InstanceChanged(instance=one) if states.get(one.name) is not one.state:
            states[one.name] = one.state
            yield from instance_lines(view, one)
        case InstanceGone(name=name):
            states.pop(name, None)
            yield f"{name}: gone"
        case _:
            pass


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)
