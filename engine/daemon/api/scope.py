"""What of the engine's state a credential may see: a tenant sees its own instances only."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from engine.core.wire import (
    ConfigChanged,
    ConfigView,
    EventHappened,
    HostSample,
    InstanceChanged,
    InstanceGone,
    Ping,
    Samples,
    Snapshot,
)
from engine.core.wire_rollout import RolloutChanged

if TYPE_CHECKING:
    from engine.core.wire import ConsoleView, EngineView, Event, Update
    from engine.daemon.auth import Credential


def reaches(found: Credential, name: str) -> bool:
    """Tell whether "service:id" is a caller's business."""
    return found.reaches(name.partition(":")[2])


def scoped_engine(found: Credential, view: EngineView) -> EngineView:
    """Say in the engine's description whether its caller may only look."""
    if not found.is_read_only:
        return view
    return msgspec.structs.replace(view, read_only=True)


def scoped_config(found: Credential, view: ConfigView) -> ConfigView:
    """Leave a tenant nothing of the file: it names everybody's secrets."""
    return ConfigView(path="", text="", loaded_at=view.loaded_at) if found.tenant else view


def scoped_host(found: Credential, sample: HostSample) -> HostSample:
    """Leave a tenant nothing of the host's figures but their time."""
    return HostSample(sample.time) if found.tenant else sample


def scoped_events(found: Credential, events: list[Event]) -> list[Event]:
    """Leave a tenant the events of its own instances."""
    if not found.tenant:
        return events
    return [event for event in events if reaches(found, event.instance)]


def scoped_consoles(
    found: Credential, consoles: tuple[ConsoleView, ...]
) -> tuple[ConsoleView, ...]:
    """Leave a tenant those that came with its own credential."""
    return tuple(one for one in consoles if not found.tenant or one.who == found.name)


def scoped(found: Credential, update: Update) -> Update | None:
    """Cut an update down to what its reader may see; None where nothing is left of it."""
    if isinstance(update, Snapshot):
        return _scoped_snapshot(found, update)
    if not found.tenant:
        return update
    match update:
        case InstanceChanged(instance=view):
            return update if found.reaches(view.id) else None
        case InstanceGone(name=name):
            return update if reaches(found, name) else None
        case Samples(host=host, instances=samples, consoles=consoles):
            own = {name: one for name, one in samples.items() if reaches(found, name)}
            seen = scoped_consoles(found, consoles)
            return Samples(host=scoped_host(found, host), instances=own, consoles=seen)
        case EventHappened(event=event):
            return update if reaches(found, event.instance) else None
        case ConfigChanged() | RolloutChanged():
            return None
        case Ping():
            return update
        case _:
            assert_never(update)


def _scoped_snapshot(found: Credential, update: Snapshot) -> Snapshot:
    engine = scoped_engine(found, update.engine)
    if not found.tenant:
        return update if engine is update.engine else msgspec.structs.replace(update, engine=engine)
    return Snapshot(
        engine=engine,
        host=scoped_host(found, update.host),
        services=[],
        instances=[view for view in update.instances if found.reaches(view.id)],
        samples={name: one for name, one in update.samples.items() if reaches(found, name)},
        config=scoped_config(found, update.config),
        events=scoped_events(found, update.events),
        consoles=scoped_consoles(found, update.consoles),
    )
