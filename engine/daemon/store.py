"""What outlives the engine: desired states, events, request counters and token hashes.

SQLite in WAL mode, one connection, called on the engine's loop: a call takes some tens of
microseconds and waits for no disk. A commit survives the engine's death at once and the
machine's once the kernel has written it back; token hashes are synced before the call returns,
so that a revoked token stays revoked.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.core.latency import Traffic
from engine.core.wire import Event
from engine.daemon.store_file import BUSY_SECONDS, StoreError, broken, naming, open_database
from engine.daemon.store_rows import (
    MIGRATIONS,
    StoredInstance,
    TenantToken,
    event_of,
    instance_of,
    storable,
    token_of,
    traffic_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from engine.core.wire import EventKind

T = TypeVar("T")

__all__ = ["MAX_EVENTS", "Store", "StoreError", "StoredInstance", "TenantToken"]

MAX_EVENTS = 10_000
"""Events kept; the oldest go first."""

MAX_EVENT_TEXT = 4_000
"""Characters of an event's text; a longer one is cut."""

FLUSH_SECONDS = 1.0
"""How old counted requests may get before they are written."""

_TRIM_EVERY = 100

_ADMIN_HASH = "api_token_hash"


class Store:
    """One engine's database.

    Also opened by `ten token-gen` beside a running engine: a call waits at most `BUSY_SECONDS`
    for the other's write. All methods raise StoreError, which names the file.
    """

    def __init__(self, path: str | Path) -> None:
        """Open or make it, check it, and bring its schema up to date.

        Raises:
            StoreError: It is damaged, foreign, of a newer schema or not writable.
        """
        self.path = Path(path)
        self._connection = open_database(self.path, MIGRATIONS)
        self._traffic: dict[str, Traffic] = {}
        self._dirty: set[str] = set()
        self._flushed = time.monotonic()
        self._events_until_trim = 0
        try:
            self._traffic = self._read_traffic()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Store:
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
        """Write what is counted, move the WAL into the file, and close."""
        try:
            self.flush()
        finally:
            self._connection.close()

    def checkpoint(self) -> None:
        """Move the WAL into the file; safe in a worker thread, as it has its own connection.

        It syncs the disk, so it must not be called on the loop. Once a minute is enough.
        """
        with naming(self.path):
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()

    # --- instances ---

    def instances(self) -> list[StoredInstance]:
        """List them by name."""
        rows = self._rows("SELECT * FROM instance ORDER BY name")
        return [self._decode(instance_of, row) for row in rows]

    def save_instance(self, instance: StoredInstance) -> None:
        """Write all of one instance."""
        why = None if instance.why is None else msgspec.json.encode(instance.why)
        self._write(
            "INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            instance.name,
            instance.desired.value,
            instance.state.value,
            instance.weight,
            instance.restarts,
            instance.version,
            why,
            instance.started_at,
            instance.spec_digest,
            instance.life,
        )

    def forget_instance(self, name: str) -> None:
        """Drop an instance and its counters; its events stay."""
        self._traffic.pop(name, None)
        self._dirty.discard(name)
        with self._transaction():
            self._write("DELETE FROM instance WHERE name = ?", name)
            self._write("DELETE FROM traffic WHERE name = ?", name)

    # --- events ---

    def add_event(
        self,
        *,
        time: float,
        kind: EventKind,
        text: str,
        level: str = "info",
        instance: str = "",
        actor: str = "engine",
        command: str = "",
    ) -> Event:
        """Keep an event and give it its number, which no later event ever gets again."""
        if len(text) > MAX_EVENT_TEXT:
            text = text[: MAX_EVENT_TEXT - 1] + "…"
        with self._transaction():
            number = self._write(
                "INSERT INTO event (time, kind, text, level, instance, actor, command)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                time,
                kind.value,
                storable(text),
                level,
                instance,
                actor,
                storable(command),
            )
            self._events_until_trim -= 1
            if self._events_until_trim < 0:
                self._write("DELETE FROM event WHERE id <= ?", number - MAX_EVENTS)
                self._events_until_trim = _TRIM_EVERY
        return Event(
            id=number,
            time=time,
            kind=kind,
            text=storable(text),
            level=level,
            instance=instance,
            actor=actor,
            command=storable(command),
        )

    def events(self, after: int = 0, limit: int = 200) -> list[Event]:
        """List events, oldest first.

        With `after`, the next `limit` events past that number, so that a reader can go on from
        the last one it has; without, the newest `limit`.
        """
        limit = max(0, min(limit, MAX_EVENTS))
        if after > 0:
            rows = self._rows(
                "SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?",
                max(after, self._last_event() - MAX_EVENTS),
                limit,
            )
        else:
            rows = self._rows("SELECT * FROM event ORDER BY id DESC LIMIT ?", limit)[::-1]
        return [self._decode(event_of, row) for row in rows]

    def _last_event(self) -> int:
        return int(self._rows("SELECT coalesce(max(id), 0) FROM event")[0][0])

    # --- requests ---

    def add_requests(
        self, name: str, requests: int, errors: int, ms_sum: float, buckets: Sequence[int]
    ) -> None:
        """Count requests; written by `flush`, or here once the last write is a second old.

        Raises:
            ValueError: `buckets` is no histogram of `engine.core.latency`.
        """
        self._traffic.setdefault(name, Traffic()).add(requests, errors, ms_sum, buckets)
        self._dirty.add(name)
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def requests(self) -> dict[str, Traffic]:
        """Give the counters of every instance, those not yet written included."""
        return dict(self._traffic)

    def flush(self) -> None:
        """Write the counters that changed, in one transaction."""
        self._flushed = time.monotonic()
        if not self._dirty:
            return
        rows = [
            (name, it.requests, it.errors, it.duration_ms_sum, msgspec.json.encode(it.buckets))
            for name in self._dirty
            if (it := self._traffic.get(name)) is not None
        ]
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO traffic VALUES (?, ?, ?, ?, ?)", rows
            )
        self._dirty.clear()

    def _read_traffic(self) -> dict[str, Traffic]:
        rows = self._rows("SELECT name, requests, errors, duration_ms_sum, buckets FROM traffic")
        return {row[0]: self._decode(traffic_of, row) for row in rows}

    # --- tokens ---

    def admin_token_hash(self) -> str | None:
        """Give the admin token's hash as it is now, also if another process just set it."""
        return self.get(_ADMIN_HASH)

    def set_admin_token_hash(self, text: str) -> None:
        """Put a new admin token in force; the old one is void at once, for good."""
        with self._durable():
            self.put(_ADMIN_HASH, text)

    def add_tenant_token(
        self,
        tenant: str,
        prefix: str,
        hash: str,  # noqa: A002 - the field's word
        description: str,
        *,
        is_read_only: bool = False,
    ) -> int:
        """Add a token and give its number; with tenant "" it reaches every instance."""
        with self._durable():
            return self._write(
                "INSERT INTO tenant_token (tenant, prefix, hash, description, is_read_only)"
                " VALUES (?, ?, ?, ?, ?)",
                tenant,
                prefix,
                hash,
                storable(description),
                is_read_only,
            )

    def tenant_tokens(self, prefix: str | None = None) -> list[TenantToken]:
        """List tokens in the order they were made: all, or those of a prefix."""
        if prefix is None:
            rows = self._rows("SELECT * FROM tenant_token ORDER BY id")
        else:
            rows = self._rows("SELECT * FROM tenant_token WHERE prefix = ? ORDER BY id", prefix)
        return [self._decode(token_of, row) for row in rows]

    def remove_tenant_token(self, number: int) -> bool:
        """Void a token for good; tell whether there was one of that number."""
        with self._durable(), naming(self.path):
            cursor = self._connection.execute("DELETE FROM tenant_token WHERE id = ?", (number,))
            return cursor.rowcount == 1

    # --- users ---

    def uids(self) -> dict[str, int]:
        """Give the uids of instances by name, in the order of their numbers."""
        return dict(self._rows("SELECT name, uid FROM account ORDER BY uid"))

    def save_uid(self, name: str, uid: int) -> None:
        """Give a uid to an instance."""
        self._write("INSERT OR REPLACE INTO account VALUES (?, ?)", name, uid)

    def forget_uid(self, name: str) -> None:
        """Take it back."""
        self._write("DELETE FROM account WHERE name = ?", name)

    # --- settings of the engine's own ---

    def get(self, key: str) -> str | None:
        """Read a value, None where there is none."""
        rows = self._rows("SELECT value FROM kv WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def put(self, key: str, value: str) -> None:
        """Write a value."""
        self._write("INSERT OR REPLACE INTO kv VALUES (?, ?)", key, value)

    # --- how ---

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with naming(self.path):
            return self._connection.execute(query, values).fetchall()

    def _write(self, statement: str, *values: object) -> int:
        with naming(self.path):
            return self._connection.execute(statement, values).lastrowid or 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with naming(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _durable(self) -> Iterator[None]:
        """Sync the disk with each commit inside."""
        with naming(self.path):
            self._connection.execute("PRAGMA synchronous = FULL")
            try:
                yield
            finally:
                self._connection.execute("PRAGMA synchronous = NORMAL")

    def _decode(self, decode: Callable[[tuple[Any, ...]], T], row: tuple[Any, ...]) -> T:
        try:
            return decode(row)
        except (ValueError, TypeError, msgspec.DecodeError) as error:
            raise broken(self.path, f"the row of {row[0]!r} is damaged ({error})") from error
