"""What happens is written down and told to whoever watches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.core.wire import Event, EventHappened, EventKind
from engine.daemon.clock import wall
from engine.daemon.store import StoreError

if TYPE_CHECKING:
    from engine.daemon.store import Store
    from engine.daemon.stream import Broadcaster

log = logging.getLogger(__name__)

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Journal:
    """Events go to the database, to the streams of the clients and to the engine's log file."""

    def __init__(self, store: Store, broadcaster: Broadcaster) -> None:
        """Take where events go."""
        self._store = store
        self._broadcaster = broadcaster

    def add(
        self,
        kind: EventKind,
        text: str,
        *,
        level: str = "info",
        instance: str = "",
        actor: str = "engine",
        command: str = "",
    ) -> None:
        """Note that something happened.

        A database that takes no event (a full disk) stops nothing: the log file has it, and the
        clients see it without a number.
        """
        log.log(_LEVELS[level], "%s", text)
        try:
            event = self._store.add_event(
                time=wall(),
                kind=kind,
                text=text,
                level=level,
                instance=instance,
                actor=actor,
                command=command,
            )
        except StoreError as error:
            log.error("an event is not kept: %s", error)
            event = Event(
                id=0,
                time=wall(),
                kind=kind,
                text=text,
                level=level,
                instance=instance,
                actor=actor,
                command=command,
            )
        self._broadcaster.publish(EventHappened(event=event))
