"""The stream of updates: one broadcaster, one bounded queue for each client."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from engine.core.wire import InstanceChanged, InstanceGone, Samples, Snapshot, Update
from engine.core.wire_rollout import RolloutChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.wire import ConsoleView

MAX_QUEUED = 1000
"""Updates that wait for one client; then they give way to a new Snapshot."""


class Subscriber:
    """One client's queue. Keeps `engine.daemon.control.Subscription`.

    A record that a newer one makes needless (samples, the view of one instance or rollout) is
    replaced by it where it stands. The first record is a Snapshot; it is taken when the client
    asks for it, so that nothing before it can be missing or come twice.
    """

    def __init__(self, broadcaster: Broadcaster, console: ConsoleView) -> None:
        """Enter; the Snapshot waits to be fetched."""
        self.console = console
        self._broadcaster = broadcaster
        self._queue: deque[Update] = deque()
        self._places: dict[str, int] = {}
        self._taken = 0
        self._needs_snapshot = True
        self._arrived = asyncio.Event()
        self._arrived.set()
        self._is_closed = False

    async def get(self) -> Update:
        """Wait for the next update.

        Raises:
            ConnectionError: The subscription was closed.
        """
        while True:
            if self._is_closed:
                raise ConnectionError("the subscription is closed")
            if self._needs_snapshot:
                self._needs_snapshot = False
                return self._broadcaster.snapshot()
            if self._queue:
                self._taken += 1
                return self._queue.popleft()
            self._arrived.clear()
            await self._arrived.wait()

    def close(self) -> None:
        """Leave; a waiting `get` ends."""
        self._is_closed = True
        self._queue.clear()
        self._places.clear()
        self._broadcaster.leave(self)
        self._arrived.set()

    def put(self, update: Update) -> None:
        """Queue an update, in the place of an older one that it makes needless."""
        if self._needs_snapshot or self._is_closed:
            return
        if isinstance(update, InstanceGone):
            # A record of that name from now on is about another instance: it comes after.
            self._places.pop(f"instance {update.name}", None)
        key = _key(update)
        if key:
            place = self._places.get(key, -1) - self._taken
            if 0 <= place < len(self._queue) and _key(self._queue[place]) == key:
                self._queue[place] = update
                return
            self._places[key] = self._taken + len(self._queue)
        if len(self._queue) >= MAX_QUEUED:
            self._queue.clear()
            self._places.clear()
            self._taken = 0
            self._needs_snapshot = True
        else:
            self._queue.append(update)
        self._arrived.set()


def _key(update: Update) -> str:
    """Name what an update replaces; "" for one that must not be lost."""
    if isinstance(update, Samples):
        return "samples"
    if isinstance(update, InstanceChanged):
        return f"instance {update.instance.name}"
    if isinstance(update, RolloutChanged):
        return f"rollout {update.rollout.service}"
    return ""


class Broadcaster:
    """Gives every client every update."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """Take the function that describes the whole state."""
        self.snapshot = snapshot
        self._subscribers: set[Subscriber] = set()

    def __len__(self) -> int:
        """Count the clients."""
        return len(self._subscribers)

    def consoles(self) -> tuple[ConsoleView, ...]:
        """List the clients, the longest there first."""
        return tuple(sorted((one.console for one in self._subscribers), key=lambda one: one.since))

    def subscribe(self, console: ConsoleView) -> Subscriber:
        """Enter a client."""
        subscriber = Subscriber(self, console)
        self._subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a client."""
        self._subscribers.discard(subscriber)

    def publish(self, update: Update) -> None:
        """Give an update to every client."""
        for subscriber in self._subscribers:
            subscriber.put(update)

    def close(self) -> None:
        """End every subscription."""
        for subscriber in list(self._subscribers):
            subscriber.close()
