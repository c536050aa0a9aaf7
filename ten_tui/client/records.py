"""Answers of the peer's routes, as its server and ours give them."""

from __future__ import annotations

import msgspec


class Running(msgspec.Struct, kw_only=True):
    """An instance as the peer lists it."""

    id: str
    socket: str
    uptime_secs: int
    idle_secs: int
    restarts: int
    health: str
    weight: int
    storage_used_bytes: int = 0
    storage_quota_bytes: int | None = None


class Spawned(msgspec.Struct):
    """What was started."""

    instance: str
    socket: str
    port: int | None = None
    address: str = ""


class Deployed(msgspec.Struct):
    """What was deployed."""

    instance: str
    socket: str
    weight: int
    status: str


class Routed(msgspec.Struct):
    """What was swapped."""

    from_instance: str
    to_instance: str
    from_weight: int
    to_weight: int


class LogRecord(msgspec.Struct):
    """A line as the peer gives it; `timestamp` in milliseconds since the epoch.

    `number` is the line's in its ring, -1 from a server that has no rings.
    """

    timestamp: int
    level: str
    process: str
    instance_id: str
    message: str
    number: int = -1


class LogCursors(msgspec.Struct):
    """Where a stream of lines begins: for each ring the number of its next line."""

    ends: dict[str, int]


class LogGap(msgspec.Struct):
    """Lines of a ring that were evicted before they could be sent."""

    name: str
    count: int


class Health(msgspec.Struct):
    """What a probe said."""

    instance: str
    health: str


class Undone(msgspec.Struct):
    """What was taken back."""

    undone: str
