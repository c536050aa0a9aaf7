"""The tables of the database and the values their rows stand for."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.core.latency import Traffic
from engine.core.wire import Desired, Event, EventKind, State, Why

MIGRATIONS = (
    """
    CREATE TABLE instance (
        name TEXT PRIMARY KEY,
        desired TEXT NOT NULL,
        state TEXT NOT NULL,
        weight INTEGER NOT NULL,
        restarts INTEGER NOT NULL,
        version TEXT NOT NULL,
        why BLOB,
        started_at REAL NOT NULL,
        spec_digest TEXT NOT NULL,
        life BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time REAL NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        level TEXT NOT NULL,
        instance TEXT NOT NULL,
        actor TEXT NOT NULL,
        command TEXT NOT NULL
    );
    CREATE TABLE traffic (
        name TEXT PRIMARY KEY,
        requests INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        duration_ms_sum REAL NOT NULL,
        buckets BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE tenant_token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant TEXT NOT NULL,
        prefix TEXT NOT NULL,
        hash TEXT NOT NULL,
        description TEXT NOT NULL,
        is_read_only INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
    );
    CREATE INDEX tenant_token_prefix ON tenant_token (prefix);
    CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
    """,
    "CREATE TABLE account (name TEXT PRIMARY KEY, uid INTEGER NOT NULL UNIQUE) WITHOUT ROWID",
)
"""Step n leads from schema n to n + 1. A step that was released is never changed."""


class StoredInstance(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an instance while no process of it need exist.

    Attributes:
        spec_digest: Of the specification it was started with, to see a change made meanwhile.
        life: What the supervisor wants to find again, in its own form.
    """

    name: str
    desired: Desired
    state: State = State.STOPPED
    weight: int = 100
    restarts: int = 0
    version: str = ""
    why: Why | None = None
    started_at: float = 0.0
    spec_digest: str = ""
    life: bytes = b""


class TenantToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token besides the admin's own; `prefix` finds it, `hash` proves it.

    Attributes:
        tenant: The only id it reaches, "" where it reaches all.
        is_read_only: It may look and change nothing.
    """

    id: int
    tenant: str
    prefix: str
    hash: str
    description: str
    is_read_only: bool
    created_at: int


def instance_of(row: tuple[Any, ...]) -> StoredInstance:
    """Read a row of `instance`."""
    return StoredInstance(
        name=row[0],
        desired=Desired(row[1]),
        state=State(row[2]),
        weight=row[3],
        restarts=row[4],
        version=row[5],
        why=None if row[6] is None else msgspec.json.decode(row[6], type=Why),
        started_at=row[7],
        spec_digest=row[8],
        life=row[9],
    )


def event_of(row: tuple[Any, ...]) -> Event:
    """Read a row of `event`."""
    number, time_, kind, text, level, instance, actor, command = row
    return Event(
        id=number,
        time=time_,
        kind=EventKind(kind),
        text=text,
        level=level,
        instance=instance,
        actor=actor,
        command=command,
    )


def traffic_of(row: tuple[Any, ...]) -> Traffic:
    """Read a row of `traffic`."""
    _, requests, errors, duration_ms_sum, buckets = row
    found = Traffic()
    found.add(requests, errors, duration_ms_sum, msgspec.json.decode(buckets, type=list[int]))
    return found


def token_of(row: tuple[Any, ...]) -> TenantToken:
    """Read a row of `tenant_token`."""
    number, tenant, prefix, digest, description, is_read_only, created_at = row
    return TenantToken(
        id=number,
        tenant=tenant,
        prefix=prefix,
        hash=digest,
        description=description,
        is_read_only=bool(is_read_only),
        created_at=created_at,
    )


def storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()
