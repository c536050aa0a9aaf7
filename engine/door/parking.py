"""Requests that wait for an instance to come up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.door.exchange import Exchange
    from engine.door.fleet import Choice

DOOR_LIMIT = 1000
"""Requests waiting in one door; more are answered 503 at once."""

QUEUE_LIMIT = 100
"""Requests waiting for one instance, or for one service by weight; likewise."""

ASK_SECONDS = 1.0
"""A wake that changed nothing is said again after so long: an engine may have died with it."""


TOLD_SECONDS = 60.0
"""So seldom is it told that a queue is full."""


class Parking:
    """Queues of waiting requests, first come first served, and the wakes they need."""

    def __init__(
        self,
        wake: Callable[[str], None],
        full: Callable[[str, int], None] = lambda _key, _count: None,
    ) -> None:
        """Begin empty; `wake` asks the engine for an instance, `full` tells it of a full queue."""
        self._wake = wake
        self._full = full
        self._told: dict[str, float] = {}
        self._queues: dict[str, deque[Exchange]] = {}
        self._asked: dict[str, float] = {}
        self._count = 0

    def __len__(self) -> int:
        """Count the waiting."""
        return self._count

    def park(self, exchange: Exchange, choice: Choice, now: float) -> bool:
        """Let a request wait; tell whether there is room for it."""
        queue = self._queues.setdefault(choice.key, deque())
        if self._count >= DOOR_LIMIT or len(queue) >= QUEUE_LIMIT:
            self._tell(choice.key, len(queue), now)
            return False
        queue.append(exchange)
        self._count += 1
        exchange.parked_key = choice.key
        exchange.waits_for = choice.wakes
        if choice.wakes and choice.wakes not in self._asked:
            self._asked[choice.wakes] = now
            self._wake(choice.wakes)
        return True

    def _tell(self, key: str, count: int, now: float) -> None:
        self._told = {each: at for each, at in self._told.items() if now - at < TOLD_SECONDS}
        if key not in self._told:
            self._told[key] = now
            self._full(key, count)

    def leave(self, exchange: Exchange) -> None:
        """Take a request out: its client has gone, or its time is up."""
        queue = self._queues.get(exchange.parked_key)
        if queue is None or exchange not in queue:
            return
        queue.remove(exchange)
        self._count -= 1
        if not queue:
            self._drop(exchange.parked_key)

    def release(self) -> None:
        """Have all decide again, in order, because the table changed; who has to, parks again."""
        queues, self._queues, self._count = self._queues, {}, 0
        for queue in queues.values():
            for exchange in queue:
                exchange.go_on()
        self._forget_unwanted()

    def release_of(self, keys: Iterable[str]) -> None:
        """Have those of some queues decide again, in order."""
        for key in keys:
            queue = self._queues.pop(key, deque())
            self._count -= len(queue)
            for exchange in queue:
                exchange.go_on()
        self._forget_unwanted()

    def fail(self, name: str, retry_after: float) -> None:
        """Answer all that wait for an instance that does not come up."""
        self._asked.pop(name, None)
        failed = [
            exchange
            for queue in self._queues.values()
            for exchange in queue
            if name in (exchange.waits_for, exchange.parked_key)
        ]
        for exchange in failed:
            self.leave(exchange)
            exchange.answer(503, retry_after=retry_after or 1.0)

    def ask_again(self, now: float, *, is_forced: bool = False) -> None:
        """Repeat the wakes that nothing has come of."""
        for name, asked in self._asked.items():
            if is_forced or now - asked >= ASK_SECONDS:
                self._asked[name] = now
                self._wake(name)

    def _drop(self, key: str) -> None:
        del self._queues[key]
        self._forget_unwanted()

    def _forget_unwanted(self) -> None:
        wanted = {exchange.waits_for for queue in self._queues.values() for exchange in queue}
        self._asked = {name: asked for name, asked in self._asked.items() if name in wanted}
