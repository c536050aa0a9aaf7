"""What can be asked of an engine, as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from engine.core.doctor import Report
from engine.core.errors import EngineUnreachable, TenError
from engine.core.inspection import Inspection
from engine.core.metrics import KeptMetric, Metric
from engine.core.moments import Moment
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
from engine.core.wire_series import Metrics
from ten_tui.client.paths import instance_path, kept_path, limits_path, query_of, quoted
from ten_tui.client.place import place
from ten_tui.client.records import (
    Deployed,
    Health,
    LogCursors,
    LogGap,
    LogRecord,
    Routed,
    Running,
    Spawned,
    Undone,
)
from ten_tui.client.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from ten_tui.client.endpoint import Endpoint
    from ten_tui.client.transport import Stream

T = TypeVar("T")

QUESTION_SECONDS = 15.0
"""For answers that the engine has at hand."""

ACTION_SECONDS = 90.0
"""For what waits for a process: its drain and grace may take this long."""

SSE_SECONDS = 40.0
"""A stream of log lines that is quiet for longer is dead: a comment comes each 15 s."""

SILENCE_SECONDS = 12.0
"""A stream that is quiet for longer is dead: the engine pings every 5 s."""


def connect(endpoint: Endpoint) -> Client:
    """Make a client; it connects when it is first asked something."""
    return Client(endpoint)


class Client:
    """One engine, asked by one thread.

    A client holds one kept-alive connection and one for each stream; so each thread has its own
    client. Only `close` may be called from another thread: it ends what waits.

    All methods raise EngineUnreachable where nobody answers, else the engine's own error.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Take where the engine is."""
        self.endpoint = endpoint
        self._transport = Transport(endpoint)

    def __enter__(self) -> Client:
        """Use it as a context; it is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave; wakes a thread that waits in this client."""
        self._transport.close()

    # --- the peer's routes: these work against its server as well ---

    def is_up(self) -> bool:
        """Tell whether the engine answers."""
        try:
            self._transport.request("GET", "/health", timeout_seconds=QUESTION_SECONDS)
        except EngineUnreachable:
            return False
        return True

    def running(self) -> list[Running]:
        """List what runs."""
        return self._get("/api/instances", list[Running])

    def spawn(self, name: str) -> Spawned:
        """Start an instance."""
        service, _, ident = name.partition(":")
        body = {"process": service, "id": ident}
        return self._act("POST", "/api/instances/spawn", Spawned, body)

    def stop(self, name: str, *, hold_seconds: float = 0.0) -> None:
        """Stop an instance; with a hold, `undo` can take it back for so long."""
        hold = f"?hold={hold_seconds:g}" if hold_seconds else ""
        self._send("DELETE", instance_path(name) + hold)

    def restart(self, name: str) -> Spawned:
        """Stop an instance if it runs, and start it."""
        return self._act("POST", instance_path(name, "restart"), Spawned)

    def set_weight(self, name: str, weight: int) -> None:
        """Give it a share of its service's traffic."""
        self._send("PUT", instance_path(name, "weight"), {"weight": weight})

    def check_health(self, name: str) -> str:
        """Have it probed now."""
        return self._get(instance_path(name, "health"), Health, ACTION_SECONDS).health

    def deploy(self, service: str, version: str, *, weight: int, timeout: int) -> Deployed:
        """Start a version, wait until it is healthy, give it its weight."""
        body = {"process": service, "version": version, "weight": weight, "timeout": timeout}
        return self._act("POST", "/api/deploy", Deployed, body, timeout + 10.0)

    def route(self, service: str, source: str, target: str) -> Routed:
        """Give `target` the traffic of `source`."""
        body = {"process": service, "from": source, "to": target}
        return self._act("POST", "/api/route", Routed, body)

    def logs(
        self,
        *,
        process: str = "",
        ident: str = "",
        level: str = "",
        search: str = "",
        limit: int | None = None,
    ) -> list[LogRecord]:
        """Give the newest lines of all rings asked for, oldest first."""
        query = query_of(process=process, id=ident, level=level, search=search, limit=limit)
        return self._get(f"/api/logs{query}", list[LogRecord], ACTION_SECONDS)

    def logs_stream(
        self, *, process: str = "", ident: str = "", level: str = ""
    ) -> Iterator[list[LogRecord | LogCursors | LogGap]]:
        """Yield lines as they come, together what came together.

        Once this returns, every later line is in it. From an engine of ours the first thing is
        a LogCursors.
        """
        query = query_of(process=process, id=ident, level=level)
        return self._batches(self._blocks(f"/api/logs/stream{query}", SSE_SECONDS))

    def _batches(self, blocks: Iterator[bytes]) -> Iterator[list[LogRecord | LogCursors | LogGap]]:
        rest = b""
        for block in blocks:
            *lines, rest = (rest + block).split(b"\n")
            yield [found for line in lines if (found := self._event(line)) is not None]

    def _event(self, line: bytes) -> LogRecord | LogCursors | LogGap | None:
        if line.startswith(b"data:"):
            return self._decode(line[5:], LogRecord)
        if line.startswith(b": cursors "):
            return LogCursors(self._decode(line[10:], dict[str, int]))
        if line.startswith(b": evicted "):
            return self._decode(line[10:], LogGap)
        return None

    # --- the engine's own ---

    def engine(self) -> EngineView:
        """Describe the engine."""
        return self._get("/api/v1/engine", EngineView)

    def snapshot(self) -> Snapshot:
        """Give the whole state once."""
        return self._get("/api/v1/snapshot", Snapshot)

    def instances(self) -> list[InstanceView]:
        """List every instance that is known, running or not."""
        return self._get("/api/v1/instances", list[InstanceView])

    def stream(self) -> Iterator[Update]:
        """Yield updates, a Snapshot first, until the engine or the link goes.

        Raises:
            EngineUnreachable: It went, or was quiet for 12 s.
        """
        for line in _lines_of(
            self._blocks(f"/api/v1/stream{query_of(place=place())}", SILENCE_SECONDS)
        ):
            yield self._decode(line, cast("type[Update]", Update))
        message = f"The engine at {self.endpoint.where} went away"
        raise EngineUnreachable(message)

    def consoles(self) -> list[ConsoleView]:
        """List who is attached."""
        return self._get("/api/v1/consoles", list[ConsoleView])

    def undo(self, name: str) -> str:
        """Take back the last reversible act; give what was undone."""
        return self._act("POST", f"/api/v1/instances/{quoted(name)}/undo", Undone).undone

    def limits(self, name: str) -> LimitsView:
        """Give an instance's limits."""
        return self._get(limits_path(name), LimitsView)

    def set_limits(self, name: str, texts: Mapping[str, str]) -> LimitsView:
        """Set limits for an instance alone; "" takes one back to the configuration."""
        return self._act("PATCH", limits_path(name), LimitsView, dict(texts))

    def reset_limits(self, name: str) -> LimitsView:
        """Take all that were set for an instance back to the configuration."""
        return self._act("DELETE", limits_path(name), LimitsView)

    def kept_metrics(self, name: str) -> list[Metric]:
        """List what is kept of an instance, or of "host"."""
        return self._get(kept_path(name), list[Metric])

    def kept(
        self, name: str, metric: str, *, since: str = "", until: str = "", step: int = 0
    ) -> KeptMetric:
        """Give the past of a metric; times as `engine.core.times` reads them."""
        query = query_of(name=metric, since=since, until=until, step=step or None)
        return self._get(kept_path(name) + query, KeptMetric)

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        """Give the past of two metrics or more, in their order; times in seconds since 1970."""
        names = ",".join(metrics)
        query = query_of(name=names, since=f"{since:.0f}", until=f"{until:.0f}", step=step or None)
        return self._get(kept_path(name) + query, list[KeptMetric])

    def moment(self, at: float, names: Sequence[str] = ()) -> Moment:
        """Give all figures of a time in the past, of these instances or of all."""
        return self._get(f"/api/past{query_of(at=f'{at:.0f}', names=','.join(names))}", Moment)

    def purge_kept(self, name: str) -> None:
        """Remove the past of an instance, or of "host"."""
        self._send("DELETE", kept_path(name))

    def inspect(self, name: str) -> Inspection:
        """Give the plan of an instance, and what its process really has."""
        return self._get(instance_path(name, "inspect"), Inspection)

    def doctor(self) -> Report:
        """Tell what the engine's host can and cannot do."""
        return self._get("/api/doctor", Report, ACTION_SECONDS)

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
        """Read lines; with `wait_end`, once the ring goes past it or the time is over."""
        query = query_of(
            first=first,
            count=count,
            stream=stream,
            text=text,
            since=since_ns or None,
            until=until_ns or None,
            context=context or None,
            after=wait_end,
            wait=wait_seconds or None,
        )
        path = f"/api/v1/logs/{quoted(name)}/window{query}"
        return self._get(path, LogWindow, QUESTION_SECONDS + wait_seconds)

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
        """Search from a line on; `next` of the answer goes on."""
        query = query_of(
            text=text,
            first=first,
            backward="true" if is_backward else None,
            regex="true" if is_regex else None,
            limit=limit,
            context=context or None,
        )
        return self._get(f"/api/v1/logs/{quoted(name)}/search{query}", LogMatches)

    def log_names(self) -> list[str]:
        """Name every instance that has a ring."""
        return self._get("/api/v1/logs", list[str])

    def log_raw(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a ring as they were written."""
        return self._blocks(f"/api/v1/logs/{quoted(name)}/raw", QUESTION_SECONDS)

    def metrics(self, name: str, seconds: int = 900) -> list[Sample]:
        """Give the newest samples, oldest first."""
        path = f"/api/v1/metrics/{quoted(name)}{query_of(seconds=seconds)}"
        return self._get(path, Metrics).samples

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """List events past one, oldest first."""
        return self._get(f"/api/v1/events{query_of(after=after, limit=limit)}", list[Event])

    def config(self) -> ConfigView:
        """Give the configuration in force and the one refused."""
        return self._get("/api/v1/config", ConfigView)

    def reload(self) -> ConfigView:
        """Have the file read again now."""
        return self._act("POST", "/api/v1/config/reload", ConfigView)

    # --- how ---

    def ask(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        """Ask for something that has no method of its own."""
        return self._act(method, path, shape, body)

    def _get(self, path: str, shape: type[T], timeout: float = QUESTION_SECONDS) -> T:
        data = self._transport.request("GET", path, timeout_seconds=timeout)
        return self._decode(data, shape)

    def _act(
        self,
        method: str,
        path: str,
        shape: type[T],
        body: object = None,
        timeout: float = ACTION_SECONDS,
    ) -> T:
        return self._decode(self._send(method, path, body, timeout), shape)

    def _send(
        self, method: str, path: str, body: object = None, timeout: float = ACTION_SECONDS
    ) -> bytes:
        return self._transport.request(method, path, body, timeout_seconds=timeout)

    def _decode(self, data: bytes, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{self.endpoint.where} gave an answer that is not understood: {error}"
            hint = "engine and client may be of different versions"
            raise TenError(message, hint=hint) from error

    def _blocks(self, path: str, timeout: float) -> Iterator[bytes]:
        return _blocks_of(self._transport.open(path, timeout_seconds=timeout))


def _blocks_of(stream: Stream) -> Iterator[bytes]:
    try:
        while block := stream.read():
            yield block
    finally:
        stream.close()


def _lines_of(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what ends with a newline, without it; a piece cut off by the end is left out."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
