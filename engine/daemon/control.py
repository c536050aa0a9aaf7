"""What the API may ask of the engine: the one seam between HTTP and supervision.

The API knows this protocol only; `engine.daemon.supervisor` keeps it. All methods run on the
engine's loop. `actor` is the credential's name, for the audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from engine.core.doctor import Report
    from engine.core.inspection import Inspection
    from engine.core.latency import Traffic
    from engine.core.metrics import KeptMetric
    from engine.core.moments import Moment
    from engine.core.spec import Config
    from engine.core.wire import (
        ConfigView,
        ConsoleView,
        EngineView,
        Event,
        InstanceView,
        LogMatches,
        LogWindow,
        Sample,
        Snapshot,
        Update,
    )
    from engine.core.wire_limits import LimitsView
    from engine.daemon.front import TlsView


class Subscription(Protocol):
    """A client's place in the stream of updates.

    Bounded: at most 1,000 queued records; samples are replaced by newer ones, and on overflow
    the queue is dropped and a new Snapshot is queued in its place.
    """

    async def get(self) -> Update:
        """Wait for the next update."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class Control(Protocol):
    """The engine, as its API sees it."""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        ...

    def engine_view(self) -> EngineView:
        """Describe the engine itself."""
        ...

    def config_view(self) -> ConfigView:
        """Describe the configuration in force and the one refused."""
        ...

    def tls_view(self) -> TlsView:
        """Describe how TLS is served."""
        ...

    def is_served(self, host: str) -> bool:
        """Tell whether a host is one that a certificate may be asked for."""
        ...

    def snapshot(self) -> Snapshot:
        """Take the whole state at once."""
        ...

    def instances(self) -> list[InstanceView]:
        """List what is known, by service, then id."""
        ...

    def instance(self, name: str) -> InstanceView:
        """Look one up.

        Raises:
            NotFound: Not known.
        """
        ...

    def samples(self, name: str, seconds: int) -> list[Sample]:
        """Give the newest samples of one instance, oldest first; "host" is not an instance."""
        ...

    def subscribe(self, console: ConsoleView) -> Subscription:
        """Enter the stream; its first update is a Snapshot."""
        ...

    def consoles(self) -> tuple[ConsoleView, ...]:
        """List who reads the stream, the longest there first."""
        ...

    async def spawn(self, name: str, *, actor: str) -> InstanceView:
        """Start an instance, new or known; one that runs is left alone.

        Returns once its process runs and a port is known; health comes later.

        Raises:
            NotFound: Its service is not configured.
            Refused: max_instances is reached, or the engine is stopping.
            LaunchFailed: A step of the launch failed.
        """
        ...

    async def stop(self, name: str, *, actor: str, hold_seconds: float = 0.0) -> None:
        """Drain and stop it; return once it is gone (or, with a hold, once it is off the route).

        Args:
            name: The instance.
            actor: Who asked.
            hold_seconds: Keep the drained process that long, so that `undo` can bring it back.

        Raises:
            NotFound: Not known.
        """
        ...

    async def restart(self, name: str, *, actor: str) -> InstanceView:
        """Stop it if it runs, then start it; return as spawn does."""
        ...

    async def undo(self, name: str, *, actor: str) -> str:
        """Take back the last reversible act on it within its window; say what was undone.

        Raises:
            NotFound: Not known.
            Refused: Nothing to undo any more.
        """
        ...

    def set_weight(self, name: str, weight: int, *, actor: str) -> InstanceView:
        """Give it a share of its service's traffic, 0 to 100 (larger values are capped)."""
        ...

    def limits(self, name: str) -> LimitsView:
        """Give its limits, who said them, and what the kernel has.

        Raises:
            NotFound: Not known.
        """
        ...

    async def set_limits(self, name: str, texts: Mapping[str, str], *, actor: str) -> LimitsView:
        """Set limits for it alone, over its service's; "" goes back to those. Kept for good.

        Raises:
            NotFound: Not known.
            Refused: A key or a value is none, or the kernel refuses it; nothing was changed.
        """
        ...

    async def reset_limits(self, name: str, *, actor: str) -> LimitsView:
        """Go back to the limits of its service."""
        ...

    async def check_health(self, name: str) -> str:
        """Probe it now; "unknown" where there is no such instance. Counters stay as they are."""
        ...

    async def log_window(
        self,
        name: str,
        *,
        first: int | None = None,
        count: int = 100,
        stream: str = "",
        text: str = "",
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> LogWindow:
        """Read lines [first, first + count), or the last `count` where first is None.

        With a filter (stream, text, since, until) only matching lines count; `first` is then
        where the search starts. Lines are cut at 4,096 characters.

        Raises:
            NotFound: No ring of that name.
        """
        ...

    async def log_search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool = False,
        is_regex: bool = False,
        limit: int = 1,
    ) -> LogMatches:
        """Search from a line on, in slices that leave the loop free, at most 250 ms a call."""
        ...

    async def log_wait(self, name: str, end: int, timeout_seconds: float) -> None:
        """Return when the ring has lines past `end`, or after the timeout."""
        ...

    def log_names(self) -> list[str]:
        """Name every instance that has a ring, running or not."""
        ...

    def log_raw(self, name: str) -> AsyncIterator[bytes]:
        """Read the bytes of a ring as they were written, oldest first, up to its end of now.

        In pieces of at most 1 MiB, read as they are taken; what is evicted meanwhile is left out.

        Raises:
            NotFound: No ring of that name; raised by the call, not by the iteration.
        """
        ...

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """List events newer than an id, oldest first."""
        ...

    def storage_used(self, name: str) -> int:
        """Bytes in the instance's data directory, as last measured.

        Raises:
            NotFound: Not known.
        """
        ...

    def requests_total(self) -> dict[str, RequestTotals]:
        """Counters of the door for each instance, since the engine's database began."""
        ...

    def wakes(self, name: str) -> Mapping[str, Traffic]:
        """How long requests that woke an instance waited, by what it was, "frozen" or "asleep".

        Since the engine began; {} for an unknown name.
        """
        ...

    async def kept(
        self, name: str, metric: str, *, since: float, until: float, step: int = 0
    ) -> KeptMetric:
        """Give the past of a metric of an instance, of a service together, or of "host".

        Raises:
            NotFound: Nothing was kept of it, or there is no such metric.
            Refused: The range is empty.
            TenError: The disk does not read.
        """
        ...

    async def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        """Give all figures of a time in the past, of these instances; () for all that are known.

        Raises:
            TenError: The disk does not read.
        """
        ...

    async def purge_kept(self, name: str, *, actor: str) -> None:
        """Remove the past of an instance, or of "host"; what runs begins anew.

        Raises:
            NotFound: Nothing was kept of it.
            TenError: The disk does not let go of it.
        """
        ...

    async def inspect(self, name: str) -> Inspection:
        """Give the plan of an instance and what its process really has.

        Raises:
            NotFound: Not known.
        """
        ...

    async def examine(self) -> Report:
        """Tell what this host can and cannot do, as the engine sees it; takes half a second."""
        ...

    async def reload(self, *, actor: str) -> ConfigView:
        """Read the config file again now; a refused file changes nothing and is in the view."""
        ...


class RequestTotals(Protocol):
    """Counters of one instance's traffic."""

    requests: int
    errors: int
    duration_ms_sum: float
    buckets: list[int]
    """Requests by latency, not cumulative; bounds 1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000
    ms and infinity, as the peer's histogram."""
