"""What goes over the engine's API: typed records, decoded strictly on both sides.

The peer's own routes (README, "API") answer with the peer's JSON; these records are for `/api/v1/`.
Times are seconds since the epoch unless the name says otherwise; a stream is NDJSON.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.core.wire_rollout import RolloutChanged, RolloutView

API_VERSION = 1


class State(StrEnum):
    """Where an instance is in its life. The table of moves is engine.core.lifecycle."""

    STARTING = "starting"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"
    FAILED = "failed"
    DRAINING = "draining"
    STOPPED = "stopped"
    ASLEEP = "asleep"
    FROZEN = "frozen"


class Desired(StrEnum):
    """What the user wants of an instance; kept in the database over reboots."""

    RUNNING = "running"
    STOPPED = "stopped"


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an instance is not well: what the why card shows.

    Attributes:
        summary: One line, for example "killed by SIGSEGV" or "health check: 503 from /health".
        exit_code: Exit status, None where it did not exit by itself or is not known.
        signal: Name of the signal that ended it, "" if none.
        step: The failed step of the launch, "" if none.
        errno: Name of the error of that step, for example "ENOENT".
        path: The path of that step.
        stderr_tail: Its last lines of stderr, oldest first, at most 10.
        since: When it happened.
    """

    summary: str
    exit_code: int | None = None
    signal: str = ""
    step: str = ""
    errno: str = ""
    path: str = ""
    stderr_tail: tuple[str, ...] = ()
    since: float = 0.0


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One second of one instance. Rates are over the second before `time`.

    Attributes:
        cpu_cores: CPU use in cores (1.0 is one core busy).
        cpu_quota_cores: Limit in cores, 0 where there is none.
        throttled: Share of time throttled, 0 to 1.
        memory_bytes: Resident memory (cgroup memory.current, else the tree's USS or RSS).
        memory_limit_bytes: Limit, 0 where there is none.
        p50_ms, p95_ms, p99_ms: Percentiles of request latency, 0 where no request ended.
        swap_bytes: What of it is swapped out; 0 without the memory controller.
        restarts: Automatic restarts, ever.
        log_lines: Lines a second to stdout, stderr and the access log together.
        log_errors: Lines a second to stderr.
        psi_cpu, psi_memory, psi_io: Share of the last 10 s in which some task of it waited, in
            percent; with "_full": in which all that were not idle did. 0 without PSI.
    """

    time: float
    cpu_cores: float = 0.0
    cpu_quota_cores: float = 0.0
    throttled: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    io_read_bytes: float = 0.0
    io_write_bytes: float = 0.0
    requests: float = 0.0
    errors: float = 0.0
    p95_ms: float = 0.0
    inflight: int = 0
    log_lines: float = 0.0
    log_errors: float = 0.0
    pids: int = 0
    psi_cpu: float = 0.0
    psi_memory: float = 0.0
    psi_io: float = 0.0
    psi_cpu_full: float = 0.0
    psi_memory_full: float = 0.0
    psi_io_full: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    swap_bytes: int = 0
    restarts: int = 0


class HostSample(msgspec.Struct, frozen=True, array_like=True):
    """One second of the host.

    Attributes:
        cpu_cores: Cores busy, all processes of the host together.
        cores: Cores there are.
        psi_cpu, psi_memory, psi_io: "some avg10" in percent, -1 where the kernel has no PSI;
            with "_full": "full avg10", which the CPU of a whole host cannot have.
        engine_cpu_cores: What keeper, engine and doors use themselves.
    """

    time: float
    cpu_cores: float = 0.0
    cores: int = 1
    memory_bytes: int = 0
    memory_total_bytes: int = 0
    load1: float = 0.0
    psi_cpu: float = -1.0
    psi_memory: float = -1.0
    psi_io: float = -1.0
    requests: float = 0.0
    errors: float = 0.0
    p95_ms: float = 0.0
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    engine_cpu_cores: float = 0.0
    psi_memory_full: float = -1.0
    psi_io_full: float = -1.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    swap_bytes: int = 0


class InstanceView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one instance, without its figures.

    Attributes:
        name: "service:id".
        until: When the present state ends by itself (backoff, undo window), 0 if it does not.
        undo: What `undo` would do now ("" if nothing): "stop", "weight 50".
        network: Whose its port is: "host"; with "private" or "outbound" only the door reaches it.
        activity_at: When the last request for it began or ended, 0 if none.
        wake_ms: How long the last requests that woke it waited for that, 0 if none did.
        oom_kills: Processes of it that the kernel killed for lack of memory, ever.
        spec_changed: A config change waits for its restart.
    """

    name: str
    service: str
    id: str
    state: State
    desired: Desired
    isolation: str
    version: str = ""
    weight: int = 100
    network: str = "host"
    port: int = 0
    pid: int = 0
    started_at: float = 0.0
    state_since: float = 0.0
    until: float = 0.0
    undo: str = ""
    restarts: int = 0
    activity_at: float = 0.0
    wake_ms: float = 0.0
    storage_used_bytes: int = 0
    storage_quota_bytes: int = 0
    memory_limit_bytes: int = 0
    oom_kills: int = 0
    spec_changed: bool = False
    why: Why | None = None

    @property
    def address(self) -> str:
        """Where it listens, "" before that is known: "127.0.0.1:30001", "private:8080"."""
        place = "127.0.0.1" if self.network == "host" else self.network
        return f"{place}:{self.port}" if self.port else ""


class EngineView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the engine itself."""

    version: str
    api_version: int
    hostname: str
    pid: int
    started_at: float
    data_dir: str
    domain: str
    url: str
    """Where the door listens, for example "http://localhost:8080"."""
    banner: str = ""
    colour: str = ""
    protect: bool = False
    read_only: bool = False
    """True where the caller's credential may only look."""
    is_recording: bool = False  # no engine answers but a bundle, whose client sets this


class EventKind(StrEnum):
    """What an event is about."""

    STATE = "state"
    CONFIG = "config"
    ACTION = "action"
    ENGINE = "engine"
    LOG = "log"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, and who did it.

    Attributes:
        id: Grows by one, over restarts of the engine too.
        level: "info", "warning" or "error".
        actor: "engine", "config", "door", or the user of the request ("root", "token admin").
        command: The `ten` command line that does the same, "" where there is none.
    """

    id: int
    time: float
    kind: EventKind
    text: str
    level: str = "info"
    instance: str = ""
    actor: str = "engine"
    command: str = ""


class ConfigView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The configuration as the engine has it.

    Attributes:
        text: The file that is in force.
        error: Why the file on disk is refused, "" where it is in force.
        error_line, error_column: Where, 1-based, 0 where unknown.
        error_key: Dotted key.
        pending: The refused text, "" where there is none.
        diff: Unified diff: in force against refused, or the last change against what was before.
        restarted: Instances the last change restarted.
        warnings: One line each.
    """

    path: str
    text: str
    loaded_at: float
    error: str = ""
    error_line: int = 0
    error_column: int = 0
    error_key: str = ""
    pending: str = ""
    diff: str = ""
    restarted: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ServiceView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One service of the configuration."""

    name: str
    command: str
    isolation: str
    health: str = ""
    idle_timeout_seconds: int = 0
    max_instances: int = 64
    scale: str = ""


class ConsoleView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A console that is attached, or another reader of the stream.

    Attributes:
        who: The credential: "root", "alice", "token admin".
        place: What it says of its terminal, "pts/3 from 10.0.0.7"; a note, not proven.
        since: When it came, seconds since the epoch.
    """

    who: str
    place: str = ""
    since: float = 0.0


# --- GET /api/v1/stream: NDJSON, first a Snapshot, then what changes ---


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot"):
    """The whole state; sent first, and again after the client fell behind."""

    engine: EngineView
    host: HostSample
    services: list[ServiceView]
    instances: list[InstanceView]
    samples: dict[str, Sample]
    config: ConfigView
    events: list[Event]
    consoles: tuple[ConsoleView, ...] = ()
    rollouts: tuple[RolloutView, ...] = ()


class InstanceChanged(msgspec.Struct, frozen=True, kw_only=True, tag="instance"):
    """An instance is new or changed."""

    instance: InstanceView


class InstanceGone(msgspec.Struct, frozen=True, kw_only=True, tag="gone"):
    """An instance is no longer known."""

    name: str


class Samples(msgspec.Struct, frozen=True, kw_only=True, tag="samples"):
    """Once a second; coalesced: a slow client gets the newest only."""

    host: HostSample
    instances: dict[str, Sample]
    consoles: tuple[ConsoleView, ...] = ()


class EventHappened(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    """A new event."""

    event: Event


class ConfigChanged(msgspec.Struct, frozen=True, kw_only=True, tag="config"):
    """The file was applied or refused."""

    config: ConfigView
    services: list[ServiceView]


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag="ping"):
    """Every 5 s, so that a dead link is seen."""

    time: float


_State = Snapshot | InstanceChanged | InstanceGone | ConfigChanged | RolloutChanged
Update = _State | Samples | EventHappened | Ping


# --- logs ---


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line of an instance's ring.

    Attributes:
        number: Place of the line's newline among all newlines ever captured, from 0. Stable
            over eviction and restarts.
        time_ns: When its end was captured, nanoseconds since the epoch.
        stream: "stdout", "stderr" or "access".
        text: UTF-8 with U+FFFD for broken bytes, without the newline; not yet sanitised.
        cut_bytes: Bytes left out at the end of a monster line, else 0.
    """

    number: int
    time_ns: int
    stream: str
    text: str
    cut_bytes: int = 0


class LogWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one ring that a client can draw.

    Attributes:
        oldest: Number of the first line still kept; lines before it were evicted.
        end: Number that the next line will get.
        lines: In order of number.
        size_bytes: What the ring holds now.
    """

    name: str
    oldest: int
    end: int
    lines: list[LogLine]
    size_bytes: int = 0


class LogMatches(msgspec.Struct, frozen=True, kw_only=True):
    """Where a search found its text.

    Attributes:
        lines: The matching lines, in the search's direction.
        next: Number to go on from, -1 where the whole ring is done.
    """

    name: str
    lines: list[LogLine]
    next: int
