"""What engine and doors say to each other, and the table doors route by.

One JSON record a message, over one SOCK_SEQPACKET pair for each door. The table itself is not
in a message: it may be of any size, so it comes as a sealed memory file beside its `TableIs`.
The keeper holds both ends of the pair, so neither side's death loses what the other has sent.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.core.latency import BUCKETS

MESSAGE_LIMIT_BYTES = 128 * 1024
"""No message is longer; a door with more to tell splits its figures over several messages."""


class RouteState(StrEnum):
    """What a door may do with an instance.

    UP takes requests. DRAINING finishes the ones it has. STARTING is waited for. ASLEEP and
    STOPPED are woken. FAILED is neither asked nor woken by weight, a direct request wakes it.
    """

    UP = "up"
    DRAINING = "draining"
    STARTING = "starting"
    ASLEEP = "asleep"
    STOPPED = "stopped"
    FAILED = "failed"


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
        instances: By id.
    """

    request_timeout: float = 30.0
    startup_timeout: float = 10.0
    wake: WakeRule = WakeRule.ANY
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


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a door routes by; replaced whole, so that one request sees one table.

    Attributes:
        trusted_proxies: Networks whose word on who asks is taken, in CIDR form.
        proxy_protocol: Connections from there begin with a PROXY protocol header.
    """

    version: int
    domain: str = "localhost"
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: bool = False
    services: dict[str, RouteService] = {}
    routing: RouteRules = RouteRules()


# --- engine to door ---


class EngineHello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """An engine has taken over: the door answers with its own hello, its wakes and its figures.

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


EngineMessage = EngineHello | TableIs | WakeFailed

# --- door to engine ---


class DoorHello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """A door is there.

    Attributes:
        version: Table in force, 0: none yet.
    """

    index: int
    pid: int
    version: int = 0


class Wake(msgspec.Struct, frozen=True, kw_only=True, tag="wake"):
    """A request waits for this instance; said once until it is up, failed or asked anew."""

    name: str


class InstanceStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Traffic of one instance at one door: differences since the last message sent.

    Attributes:
        errors: Answers of 5xx, and requests that got no whole answer.
        inflight: Requests, streams and tunnels now; not a difference.
        buckets: Requests by time to the response's head, as `engine.core.latency` counts them.
        bytes_in: Body bytes from clients.
        bytes_out: Body bytes to clients.
        last: When a request for it last began or ended, seconds since the epoch, 0: never.
    """

    requests: int = 0
    errors: int = 0
    inflight: int = 0
    ms_sum: float = 0.0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    bytes_in: int = 0
    bytes_out: int = 0
    last: float = 0.0


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag="stats"):
    """Figures by "service:id", of what changed only.

    Once a second; at once when an instance that drains has no request left, and at once after
    a table with draining instances was applied, naming each of them.

    Attributes:
        version: Table in force when the figures were taken: a drained instance is out of use at
            this door only if its `inflight` is 0 under a table that says it drains.
    """

    version: int
    instances: dict[str, InstanceStats] = {}


DoorMessage = DoorHello | Wake | Stats

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
