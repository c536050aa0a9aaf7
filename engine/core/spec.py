"""The validated configuration: what a `tenement.toml` says once it is known to be right.

Only values: reading and refusing a file is `engine.core.config`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.core.doorwire import DoorLimits
from engine.core.hardening import HardeningSpec
from engine.core.limits import LimitsSpec, with_peer_keys
from engine.core.network import Network
from engine.core.outbound import Outbound
from engine.core.rollout_plan import Plan
from engine.core.scale import Scale  # noqa: TC001 - msgspec reads the annotation


class Isolation(StrEnum):
    """How an instance is kept apart; the peer's spellings."""

    PROCESS = "process"
    NAMESPACE = "namespace"
    SANDBOX = "sandbox"


class Restart(StrEnum):
    """When an exited instance is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Wake(StrEnum):
    """Which stopped instances a request may start."""

    ANY = "any"
    KNOWN = "known"
    NEVER = "never"


class StorageAction(StrEnum):
    """What becomes of an instance that stores more than its quota."""

    WARN = "warn"
    READONLY = "readonly"
    STOP = "stop"
    HARD = "hard"


class Bind(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder of the host that is seen at a path of the instance's own."""

    source: str
    target: str
    is_writable: bool = False


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One `[service.NAME]` table: the template its instances are made from.

    Paths are absolute here; relative ones were resolved against the file's directory.
    `{name} {id} {data_dir} {socket} {port}` are still in the texts: they are filled for each
    instance by `engine.runtime`.
    """

    name: str
    command: str
    args: tuple[str, ...] | None = None
    """None: `command` is split with shell quoting. Given: `command` is the program."""
    isolation: Isolation = Isolation.NAMESPACE
    socket: str = "/tmp/tenement/{name}-{id}.sock"  # noqa: S108 - the peer's default
    health: str | None = None
    """GET path of the readiness and liveness probe; None: the probe is a TCP connect."""
    env: dict[str, str] = {}
    workdir: str = ""
    restart: Restart = Restart.ON_FAILURE
    idle_timeout_seconds: int = 0
    """0: never asleep."""
    freeze_after_seconds: float = 0.0
    """0: never frozen."""
    idle_cpu_percent: float = 0.0
    """Of one core: who uses more is not idle; 0: CPU use does not count."""
    startup_timeout_seconds: int = 10
    request_timeout_seconds: int = 30
    """0: no limit (the peer answers every request with 504 then)."""
    stop_grace_seconds: float = 5.0
    """From SIGTERM to cgroup.kill."""
    drain_seconds: float = 5.0
    """How long requests in flight may finish before SIGTERM."""
    memory_limit_mb: int = 0
    cpu_shares: int = 0
    limits: LimitsSpec = LimitsSpec()
    """By the kernel's keys; `all_limits` has the two above in it."""
    storage_quota_mb: int = 0
    storage_action: StorageAction = StorageAction.WARN
    storage_persist: bool = True
    max_instances: int = 64
    wake: Wake = Wake.ANY
    log_limit_bytes: int = 64 * 1024 * 1024
    access_log: bool = False
    """Whether each request is a line of the instance's ring."""
    hardening: HardeningSpec = HardeningSpec()
    user: str = ""
    """Whom its processes run as: "auto" (an own uid), "engine", a name or a number."""
    network: Network = Network.HOST
    port: int = 0
    """Where it listens in a network of its own; 0 in the host's, where it is given one."""
    rootfs: str = ""
    """The folder its instances have for their root, "" for the host's files."""
    mounts: tuple[Bind, ...] = ()
    domains: dict[str, str] = {}
    """Its own, in small letters: where each leads, "service" or "service:id"."""
    deploy: Plan = Plan()
    scale: Scale | None = None
    """How many of it run, by load; None: as many as somebody started."""

    @property
    def all_limits(self) -> LimitsSpec:
        """The limits, those of the peer's keys too."""
        return with_peer_keys(self.limits, self.memory_limit_mb, self.cpu_shares)


class ConsoleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The `[console]` table: what every attached console shows of this engine."""

    banner: str = ""
    colour: str = ""
    protect: bool = False


class RoutingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The `[routing]` tables."""

    default: str = ""
    subdomain: dict[str, str] = {}
    path: dict[str, str] = {}


class CertificateFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with its chain and its private key: absolute paths of PEM files."""

    cert: str
    key: str


class TlsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The `[settings.tls]` table."""

    enabled: bool = False
    acme_email: str = ""
    domain: str = ""
    cache_dir: str = ""
    staging: bool = False
    https_port: int = 443
    http_port: int = 80
    dns_provider: str = ""
    internal: bool = False
    """Certificates of a CA of our own, which nobody else trusts unless told to."""
    certificates: tuple[CertificateFiles, ...] = ()
    """From files, chosen by the names in them; no others are asked for then, but internal ones."""

    @property
    def is_public(self) -> bool:
        """Whether certificates are asked of a public CA."""
        return not self.internal and not self.certificates


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The `[settings]` table. `data_dir` is absolute."""

    data_dir: str
    health_check_interval_seconds: float = 10.0
    max_restarts: int = 3
    restart_window_seconds: int = 300
    backoff_base_ms: int = 1000
    backoff_max_ms: int = 60000
    pass_env: tuple[str, ...] = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER")
    """Names of the engine's environment that reach instances; nothing else does."""
    public_metrics: bool = False
    metrics_max_bytes: int = 4 * 2**30
    """What the kept figures may take on the disk, all instances and the host together."""
    require_limits: bool | None = None
    """Whether a limit the host cannot keep refuses the file; None: but for the peer's keys."""
    admin_group: str = ""
    """Members of this group may use the Unix socket, besides root and the engine's user."""
    user_range: tuple[int, int] = (1_900_000_000, 1_900_065_535)
    """First and last uid of `user = "auto"`; unused by systemd, subuid and adduser alike."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks in CIDR form whose word on who asks the door takes."""
    proxy_protocol: bool = False
    """Connections from those begin with a PROXY protocol header."""
    door: DoorLimits = DoorLimits()
    """What the doors let clients do."""
    outbound: Outbound = Outbound()
    tls: TlsSpec = TlsSpec()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file.

    Attributes:
        path: Absolute path of the file, "" where there is none.
        source: The file's text, as read.
        instances: Declared (service, id) pairs, in the file's order.
        warnings: One line each: unknown keys with their line and the nearest known key.
    """

    path: str
    source: str = ""
    settings: Settings
    services: dict[str, ServiceSpec] = {}
    routing: RoutingSpec = RoutingSpec()
    console: ConsoleSpec = ConsoleSpec()
    instances: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


RESTART_FIELDS = frozenset(
    {
        "command",
        "args",
        "isolation",
        "socket",
        "env",
        "workdir",
        "user",
        "hardening",
        "network",
        "port",
        "rootfs",
        "mounts",
    }
)
"""Fields of ServiceSpec that a running instance takes only by a restart; the rest apply live."""

VERSION_FIELDS = RESTART_FIELDS | {"health", "startup_timeout_seconds"}
"""Fields that are recorded for a version at its deploy, and stay its own."""
