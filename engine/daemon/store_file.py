"""The database file: made whole, checked when opened, never replaced by a fresh one.

What may go wrong with the file itself is decided here; what is in it is `engine.daemon.store`.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import TenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

APPLICATION_ID = int.from_bytes(b"tenD")
"""In the header of the file: this is a database of ours."""

BUSY_SECONDS = 5.0
"""How long a call waits for another process (`ten token-gen`) to end its write."""

_WAL_PAGES = 8192
_JOURNAL_BYTES = 8 * 1024 * 1024


class StoreError(TenError):
    """The database cannot be used; the message names the file."""


def broken(path: Path, what: str) -> StoreError:
    """Describe damage, and how to go on without what was in the file."""
    return StoreError(
        f"{path}: {what}",
        hint=f"Restore it from a backup, or begin anew without the desired states, weights, "
        f"tokens and events in it: mv {path} {path}.broken; rm -f {path}-wal {path}-shm",
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into ones that name the file.

    Raises:
        StoreError: In the place of sqlite3.Error.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise broken(path, f"the database is damaged ({error})") from error
        raise StoreError(f"{path}: {error}", hint=_advice(path, code)) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError):
        raise  # a mistake of ours, not of the file
    except sqlite3.DatabaseError as error:
        raise broken(path, f"the database is damaged ({error})") from error


def _advice(path: Path, code: int) -> str:
    match code:
        case sqlite3.SQLITE_FULL:
            return f"The file system is full: df -h {path.parent}"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Another process holds the database: fuser -v " + str(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"Its owner and mode must let this user write: ls -ld {path.parent} {path}*"
        case _:
            return ""


def open_database(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open the file, making it where there is none, and bring its schema up to date.

    `migrations[n]` leads from schema n to n + 1; the schema is the file's user_version.

    Raises:
        StoreError: The file is damaged, not ours, newer than `migrations`, or not writable. It
            is as it was.
    """
    if not os.path.lexists(path):
        _make(path, migrations)
    _check_size(path)
    with naming(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        with naming(path):
            _check(connection, path, len(migrations))
            _keep_to_owner(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -1024")
            # Moving the WAL into the file syncs the disk, so that is the checkpoint thread's;
            # this bound holds where it never comes.
            connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
            _migrate(connection, migrations)
    except OSError as error:
        connection.close()
        raise StoreError(f"{path}: {error.strerror}", hint=_advice(path, 8)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path, migrations: Sequence[str]) -> None:
    """Put a complete, empty database in place at once.

    So a file of no bytes is never an engine that was killed while it made one, but one that
    lost its content.
    """
    stale = [f"{path}{end}" for end in ("-wal", "-journal") if os.path.lexists(f"{path}{end}")]
    if stale:
        message = f"{path} is missing, but its journal {stale[0]} is still there"
        hint = f"Restore {path} from a backup, or begin anew: rm {' '.join(stale)}"
        raise StoreError(message, hint=hint)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint=_advice(path, 8)) from error
    try:
        with naming(path):
            _fill(name, migrations)
        os.fsync(descriptor)
        # A link, not a rename: where another process was first, its file stays.
        with suppress(FileExistsError):
            os.link(name, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _fill(name: str, migrations: Sequence[str]) -> None:
    connection = sqlite3.connect(name, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _migrate(connection, migrations)
        # Kept in the file. Two that open it must not both change it: SQLite lets neither wait.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_size(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint=_advice(path, 14)) from error
    if not path.is_file():
        raise StoreError(f"{path}: not a regular file")
    if size == 0:
        # SQLite would take this for a database still to be made.
        raise broken(path, "the database is damaged (the file is empty)")


def _keep_to_owner(path: Path) -> None:
    """Close the file and its companions, which SQLite made in the file's mode, to others."""
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").chmod(0o600)


def _check(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        hint = "Choose another settings.data_dir, or move the file away"
        raise StoreError(f"{path}: a database of another program", hint=hint)
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema > newest:
        raise StoreError(
            f"{path}: written by a newer ten (schema {schema}; this one knows {newest})",
            hint="Start the newer ten again, or restore a backup from before it",
        )
    if schema < 1:
        raise broken(path, f"the database is damaged (schema {schema})")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise broken(path, f"the database is damaged ({' '.join(verdict.split())})")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Take each missing step in a transaction of its own: all of a step, or nothing."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read inside the transaction: another process may just have taken the step.
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            if schema >= len(migrations):
                connection.execute("ROLLBACK")
                return
            for statement in filter(str.strip, migrations[schema].split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {schema + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
