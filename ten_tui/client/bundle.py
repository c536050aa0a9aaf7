"""Gathers an incident from an engine: what happened of late, bounded, with secrets masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from engine.core.doctor import Report
from engine.core.errors import NotFound, TenError
from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS
from engine.core.wire import LogLine, LogWindow
from engine.core.wire_series import Metrics
from ten_tui.client.bundle_file import Bundle, Manifest
from ten_tui.client.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.core.metrics import KeptMetric
    from engine.core.wire import Event, Sample, Snapshot

DEFAULT_SECONDS = 3600.0
MAX_LINES = 20_000
"""Of one log; the newest."""

MAX_LOG_BYTES = 48 * 1024 * 1024
"""Of all logs together, shared fairly."""

MAX_INSTANCES = 200
MAX_EVENTS = 1000
"""The newest: what the engine gives to one question."""

MASKED = (
    "masked: what is kept under names that look secret, passwords in addresses, options"
    " such as --token; other secrets that programs logged are in it"
)
_PAGE = 1000
_NAMES = {"host": [each.name for each in HOST_METRICS]}
_INSTANCE_NAMES = [each.name for each in INSTANCE_METRICS]
_SAMPLE_SECONDS = 900


class Source(Protocol):
    """What is asked of an engine's client, or of a recording's."""

    def snapshot(self) -> Snapshot:
        """Give the whole state."""
        ...

    def doctor(self) -> object:
        """Tell of the host."""
        ...

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """List events."""
        ...

    def metrics(self, name: str, seconds: int) -> list[Sample]:
        """Give samples."""
        ...

    def kept_list(
        self, name: str, metrics: Sequence[str], *, since: float, until: float, step: int = 0
    ) -> list[KeptMetric]:
        """Give the past."""
        ...

    def log_window(self, name: str, *, first: int | None = None, count: int = 100) -> LogWindow:
        """Read lines."""
        ...


def gather(
    client: Source, program: str, *, since: float | None = None, services: Sequence[str] = ()
) -> Bundle:
    """Read an incident.

    Args:
        client: Who is asked.
        program: Version of this program.
        since: Where it begins, seconds since the epoch; None for an hour ago.
        services: Whose instances, all where empty.

    Raises:
        NotFound: A service is not known.
        EngineUnreachable: The engine went away meanwhile.
    """
    return _Gatherer(client, program, since, tuple(services)).bundle()


class _Gatherer:
    def __init__(
        self, client: Source, program: str, since: float | None, services: tuple[str, ...]
    ) -> None:
        self._client, self._program, self._services = client, program, services
        self._masker = Masker()
        self._notes = [
            MASKED,
            "left out: who was attached, what processes had, and the diff of the configuration",
        ]
        before = client.snapshot()
        self._until = before.host.time
        self._since = self._until - DEFAULT_SECONDS if since is None else since
        self._state = self._chosen(self._masker.snapshot(before))
        for what, text, now in (
            ("configuration", before.config.text, self._state.config.text),
            ("refused configuration", before.config.pending, self._state.config.pending),
        ):
            if text and not now:
                self._notes.append(f"left out: the {what}, no TOML that could be masked")

    def _chosen(self, state: Snapshot) -> Snapshot:
        for service in self._services:
            if service not in {each.name for each in state.services}:
                message = f"Unknown service: {service}"
                raise NotFound(message)
        chosen = [
            one for one in state.instances if not self._services or one.service in self._services
        ]
        if len(chosen) > MAX_INSTANCES:
            self._notes.append(
                f"cut: {MAX_INSTANCES} of {len(chosen)} instances; name services to choose others"
            )
        chosen = chosen[:MAX_INSTANCES]
        names = {one.name for one in chosen}
        return msgspec.structs.replace(
            state,
            instances=chosen,
            samples={name: one for name, one in state.samples.items() if name in names},
        )

    def bundle(self) -> Bundle:
        names = [one.name for one in self._state.instances]
        logs = list(self._logs(names))
        doctor = self._doctor()
        events, metrics = self._events(), list(self._metrics(names))
        samples = [
            Metrics(name=name, samples=self._client.metrics(name, _SAMPLE_SECONDS))
            for name in self._state.samples
        ]
        manifest = Manifest(
            host=self._state.engine.hostname,
            engine=self._state.engine.version,
            program=self._program,
            since=self._since,
            until=self._until,
            services=self._services,
            notes=tuple(self._notes),
        )
        return Bundle(
            manifest=manifest,
            state=self._state,
            doctor=doctor,
            events=events,
            samples=samples,
            metrics=metrics,
            logs=logs,
        )

    def _doctor(self) -> Report | None:
        try:
            report = self._client.doctor()
        except TenError as error:
            self._notes.append(f"left out: the report of the host ({error})")
            return None
        return report if isinstance(report, Report) else None

    def _events(self) -> list[Event]:
        found = self._client.events(limit=MAX_EVENTS)
        if len(found) >= MAX_EVENTS and found[0].time > self._since:
            self._notes.append(f"cut: events, the newest {MAX_EVENTS}")
        return [self._masker.event(event) for event in found if event.time >= self._since]

    def _metrics(self, names: list[str]) -> Iterator[KeptMetric]:
        for name in ("host", *names):
            wanted = _NAMES.get(name, _INSTANCE_NAMES)
            try:
                yield from self._client.kept_list(
                    name, wanted, since=self._since, until=self._until + 1
                )
            except NotFound:
                continue  # it never ran, so nothing is kept of it

    def _logs(self, names: list[str]) -> Iterator[LogWindow]:
        left = MAX_LOG_BYTES
        for place, name in enumerate(names):
            share = left // (len(names) - place)
            for window in self._log(name, share):
                left -= sum(len(line.text.encode()) for line in window.lines)
                yield window

    def _log(self, name: str, share: int) -> Iterator[LogWindow]:
        """Read a log from its end back, page by page."""
        try:
            newest = self._client.log_window(name, count=1)
        except NotFound:
            return
        since_ns = int(self._since * 1e9)
        position, taken = newest.end, 0
        while position > newest.oldest:
            first = max(newest.oldest, position - _PAGE)
            window = self._client.log_window(name, first=first, count=position - first)
            found = [line for line in window.lines if line.number < position]
            lines = [self._line(line) for line in found if line.time_ns >= since_ns]
            share -= sum(len(line.text.encode()) for line in lines)
            taken += len(lines)
            if share < 0 or taken > MAX_LINES:
                self._notes.append(f"cut: the log of {name}, before line {position}")
                return
            yield LogWindow(name=name, oldest=newest.oldest, end=newest.end, lines=lines)
            if len(lines) < len(found) or not found:
                return
            position = first

    def _line(self, line: LogLine) -> LogLine:
        return msgspec.structs.replace(line, text=self._masker.text(line.text))
