"""What the console asks of an engine: the methods of its client that it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.core.metrics import KeptMetric
    from engine.core.moments import Moment
    from engine.core.wire import Event, LogMatches, LogWindow, Sample, Snapshot, Update


T = TypeVar("T")


class Client(Protocol):
    """What is needed of the engine's client; one object is used by one thread."""

    def stream(self) -> Iterator[Update]:
        """Yield updates, a Snapshot first."""
        ...

    def snapshot(self) -> Snapshot:
        """Give the whole state once."""
        ...

    def spawn(self, name: str) -> object:
        """Start it."""
        ...

    def stop(self, name: str, *, hold_seconds: float = 0.0) -> object:
        """Stop it."""
        ...

    def restart(self, name: str) -> object:
        """Restart it."""
        ...

    def undo(self, name: str) -> str:
        """Take the last act on it back."""
        ...

    def set_weight(self, name: str, weight: int) -> object:
        """Set its weight."""
        ...

    def set_limits(self, name: str, texts: dict[str, str]) -> object:
        """Set limits of its own."""
        ...

    def inspect(self, name: str) -> object:
        """Look at its plan and its process."""
        ...

    def doctor(self) -> object:
        """Look at the engine's host."""
        ...

    def log_window(
        self,
        name: str,
        *,
        first: int | None = None,
        count: int = 100,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
        context: int = 0,
        wait_end: int | None = None,
        wait_seconds: float = 0.0,
    ) -> LogWindow:
        """Read lines; with `wait_end`, once the ring goes past it."""
        ...

    def log_search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool = False,
        is_regex: bool = False,
        limit: int = 1,
        context: int = 0,
    ) -> LogMatches:
        """Search."""
        ...

    def metrics(self, name: str, seconds: int) -> list[Sample]:
        """Read the past."""
        ...

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        """Read what is kept of several metrics."""
        ...

    def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        """Read all figures of a time."""
        ...

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """Read events."""
        ...

    def deploy(self, service: str, version: str, *, weight: int, timeout: int) -> object:
        """Start a version and give it traffic."""
        ...

    def ask(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        """Ask for something that has no method of its own."""
        ...

    def reload(self) -> object:
        """Read the configuration again."""
        ...

    def close(self) -> None:
        """Leave; wakes a thread that waits in this client."""
        ...
