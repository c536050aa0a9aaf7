"""What engine and doors say to each other, and the table doors route by.

One JSON record a message, over one SOCK_SEQPACKET pair for each door. The table itself is not
in a message: it may be of any size, so it comes as a sealed memory file beside its `TableIs`.
The keeper holds both ends of the pair, so neither side's death loses what the other has sent.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.core.http1_head import FIELD_LIMIT, HEAD_LIMIT_BYTES
from engine.core.latency import BUCKETS, Traffic

MESSAGE_LIMIT_BYTES = 128 * 1024
"""No message is longer; a door with more to tell splits its figures over several messages."""


class RouteState(StrEnum):
    """What a door may do with an instance.

    UP takes requests. DRAINING finishes the ones it has. STARTING is waited for. FROZEN, ASLEEP
    and STOPPED are woken, a FROZEN one whatever `wake` says: it was never stopped. FAILED is
    neither asked nor woken by weight, a direct request wakes it.
    """

    UP = "up"
    DRAINING = "draining"
    STARTING = "starting"
    FROZEN = "frozen"
    ASLEEP = "asleep"
    STOPPED = "stopped"
    FAILED = "failed"


WAKES = ("frozen", "asleep")
"""What a request may wake an instance from; "asleep" is whatever had no process."""


class WakeRule(StrEnum):
    """Which instances of a service a request may start; `engine.core.spec.Wake` on the wire."""

    ANY = "any"
    KNOWN = "known"
    NEVER = "never"


class RouteInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as a door sees it.

    Attributes:
        weight: Share of its service's traffic, 0 to 100; 0 receives only direct requests.
        port: TCP port, 0 where it has none yet.
        pid, start_ticks: The process in whose network namespace it listens; 0: in the door's own.
    """

    state: RouteState
    weight: int = 100
    host: str = "127.0.0.1"
    port: int = 0
    pid: int = 0
    start_ticks: int = 0


class RouteService(msgspec.Struct, frozen=True, kw_only=True):
    """One service as a door sees it.

    Attributes:
        request_timeout: Seconds from the request's head to the response's, 0: no limit.
        startup_timeout: Seconds a request waits for an instance to come up.
        access_log: Its requests are written down.
        instances: By id.
    """

    request_timeout: float = 30.0
    startup_timeout: float = 10.0
    wake: WakeRule = WakeRule.ANY
    access_log: bool = False
    instances: dict[str, RouteInstance] = {}


class RouteRules(msgspec.Struct, frozen=True, kw_only=True):
    """The `[routing]` tables; a target is "service" or "service:id".

    Attributes:
        default: Where the bare domain and unknown names go, "": to the engine's API.
        subdomain: First labels under the domain, without the domain.
        path: Path prefixes of the bare domain; the longest wins.
        domain: Domains of services and instances, in small letters; "*." begins those where
            any one label may stand.
    """

    default: str = ""
    subdomain: dict[str, str] = {}
    path: dict[str, str] = {}
    domain: dict[str, str] = {}


class DoorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a door lets its clients do; the `[settings.door]` table. Connections keep theirs.

    Attributes:
        head_seconds: For a whole head from its first byte, and for a new connection's first byte.
        idle_seconds: Between two requests of a connection.
        head_bytes: Of a whole head, start line and final empty line included.
        head_fields: Field lines of a head.
        slow_seconds: In that time a client that does not keep up takes `SLOW_BYTES_A_SECOND` or
            is cut off; 0: never.
    """

    head_seconds: float = 30.0
    idle_seconds: float = 75.0
    head_bytes: int = HEAD_LIMIT_BYTES
    head_fields: int = FIELD_LIMIT
    slow_seconds: float = 60.0


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a door routes by; replaced whole, so that one request sees one table.

    Attributes:
        trusted_proxies: Networks whose word on who asks is taken, in CIDR form.
        proxy_protocol: Connections from there begin with a PROXY protocol header.
        limits: Of clients.
        front_uid: The user of the Caddy in front: connections of its own from 127.0.0.1 are
            believed like those of trusted proxies. -1: there is none.
    """

    version: int
    domain: str = "localhost"
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: bool = False
    limits: DoorLimits = DoorLimits()
    front_uid: int = -1
    services: dict[str, RouteService] = {}
    routing: RouteRules = RouteRules()


# --- engine to door ---


class EngineHello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """An engine has taken over: the door answers with its own hello and its wakes.

    Attributes:
        epoch: Differs from engine to engine.
    """

    epoch: int


class TableIs(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    """The routing table from now on; its JSON is the content of the descriptor sent along.

    A version lower than the one in force is taken too: a new engine counts anew.
    """

    version: int


class WakeFailed(msgspec.Struct, frozen=True, kw_only=True, tag="wake_failed"):
    """An instance asked for does not come up: whoever waits for it is answered 503.

    Attributes:
        name: "service:id", as in the `Wake`.
        retry_after: Seconds for the Retry-After header, 0: none known.
    """

    name: str
    reason: str = ""
    retry_after: float = 0.0


class InstanceIs(msgspec.Struct, frozen=True, kw_only=True, tag="instance"):
    """An instance takes requests again: its entry in the table that is on its way.

    A request that waits for a thawed one does not wait for a table of all.
    """

    name: str
    entry: RouteInstance


class AccessPipe(msgspec.Struct, frozen=True, kw_only=True, tag="access_pipe"):
    """Where the access log of an instance is written, as an `AccessWanted` asked.

    The descriptor of a non-blocking FIFO is sent along; without one, there is no such log.
    """

    name: str


EngineMessage = EngineHello | TableIs | InstanceIs | WakeFailed | AccessPipe

# --- door to engine ---


class DoorHello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """A door is there; the memory file it counts in (`engine.core.board`) is sent along.

    Attributes:
        version: Table in force, 0: none yet.
    """

    index: int
    pid: int
    version: int = 0


class Wake(msgspec.Struct, frozen=True, kw_only=True, tag="wake"):
    """A request waits for this instance; said once until it is up, failed or asked anew."""

    name: str


class Crowded(msgspec.Struct, frozen=True, kw_only=True, tag="crowded"):
    """So many wait that more are answered 503; said once a minute for each queue.

    Attributes:
        key: "service:id", or a service where any of it would do.
        waiting: Requests in that queue at that door.
    """

    key: str
    waiting: int


class AccessWanted(msgspec.Struct, frozen=True, kw_only=True, tag="access"):
    """There are lines for the access log of this instance; said to every new engine, too."""

    name: str


class InstanceStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Traffic of one instance at one door: differences to what was known before.

    Read from the door's memory file; in a message only `inflight` and `last` are set.

    Attributes:
        errors: Answers of 5xx, and requests that got no whole answer.
        inflight: Requests, streams and tunnels now; not a difference.
        buckets: Requests by time to the response's head, as `engine.core.latency` counts them.
        bytes_in: Body bytes from clients.
        bytes_out: Body bytes to clients.
        last: When a request for it last began or ended, seconds since the epoch, 0: never.
        wakes: How long the requests that woke it waited, by what it was: `WAKES`.
    """

    requests: int = 0
    errors: int = 0
    inflight: int = 0
    ms_sum: float = 0.0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    bytes_in: int = 0
    bytes_out: int = 0
    last: float = 0.0
    wakes: dict[str, Traffic] = {}


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag="stats"):
    """What is under way at instances that drain or are to be frozen, by "service:id".

    At once when one of them has no request left, and at once after a table with such instances
    was applied, naming each of them.

    Attributes:
        version: Table in force when the figures were taken: a drained instance is out of use at
            this door only if its `inflight` is 0 under a table that says it drains.
    """

    version: int
    instances: dict[str, InstanceStats] = {}


DoorMessage = DoorHello | Wake | Crowded | AccessWanted | Stats

_encoder = msgspec.json.Encoder()
_engine_decoder: msgspec.json.Decoder[EngineMessage] = msgspec.json.Decoder(EngineMessage)
_door_decoder: msgspec.json.Decoder[DoorMessage] = msgspec.json.Decoder(DoorMessage)
_table_decoder = msgspec.json.Decoder(RouteTable)


def encode(message: EngineMessage | DoorMessage | RouteTable) -> bytes:
    """Write a message or a table."""
    return _encoder.encode(message)


def decode_from_engine(data: bytes) -> EngineMessage:
    """Read what an engine sent.

    Raises:
        msgspec.DecodeError: It is none of the messages.
    """
    return _engine_decoder.decode(data)


def decode_from_door(data: bytes) -> DoorMessage:
    """Read what a door sent; a door is not trusted, so this is strict.

    Raises:
        msgspec.DecodeError: It is none of the messages.
    """
    return _door_decoder.decode(data)


def decode_table(data: bytes) -> RouteTable:
    """Read a table.

    Raises:
        msgspec.DecodeError: It is no table.
    """
    return _table_decoder.decode(data)
