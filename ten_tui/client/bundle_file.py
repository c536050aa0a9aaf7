"""The file of an incident: a zip of JSON, written whole or not at all, and read with distrust.

Members: `manifest.json`, `state.json` (a Snapshot), `doctor.json` (a Report, where there is one)
and, one record a line, `events.jsonl` (Event), `samples.jsonl` (Metrics), `metrics.jsonl`
(KeptMetric) and `logs.jsonl` (LogWindow; a ring has several). The records are those of the API.
Nothing is ever unpacked to a file, so no name within can lead anywhere.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.core.doctor import Report
from engine.core.errors import TenError
from engine.core.metrics import KeptMetric
from engine.core.wire import Event, LogWindow, Snapshot
from engine.core.wire_series import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "ten-bundle"
VERSION = 1
MAX_BYTES = 256 * 1024 * 1024
"""Of all members together, as they are when unpacked; also of the file."""

MAX_MEMBERS = 64
_MANIFEST = "manifest.json"

T = TypeVar("T")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is of.

    Attributes:
        format: `FORMAT`.
        version: `VERSION`; grows when a reader of before would understand it wrongly.
        host: Name of the host it is of.
        engine: Version of the engine.
        program: Version of the program that wrote it.
        since, until: The time it covers, seconds since the epoch.
        services: Whose it is, empty for all.
        notes: What was masked, cut or could not be had, one sentence each.
    """

    format: str = FORMAT
    version: int = VERSION
    host: str
    engine: str
    program: str
    since: float
    until: float
    services: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """All of a bundle."""

    manifest: Manifest
    state: Snapshot
    doctor: Report | None
    events: list[Event]
    samples: list[Metrics]
    metrics: list[KeptMetric]
    logs: list[LogWindow]


def write(path: Path, bundle: Bundle) -> None:
    """Write a bundle for its owner only; it appears whole, in place of what had its name.

    Raises:
        TenError: It cannot be written; what was there before is as it was.
    """
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, data in _members(bundle):
                    archive.writestr(member, data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        if name:
            with suppress(OSError):
                Path(name).unlink()
        message = f"Cannot write {path}: {error.strerror or error}"
        raise TenError(message) from error


def _members(bundle: Bundle) -> Iterable[tuple[str, bytes]]:
    yield _MANIFEST, msgspec.json.encode(bundle.manifest)
    yield "state.json", msgspec.json.encode(bundle.state)
    if bundle.doctor is not None:
        yield "doctor.json", msgspec.json.encode(bundle.doctor)
    lines = msgspec.json.Encoder().encode_lines
    yield "events.jsonl", lines(bundle.events)
    yield "samples.jsonl", lines(bundle.samples)
    yield "metrics.jsonl", lines(bundle.metrics)
    yield "logs.jsonl", lines(bundle.logs)


def read(path: Path) -> Bundle:
    """Read a bundle; of what else is in the file, nothing is looked at.

    Raises:
        TenError: It cannot be read, is none, is damaged, too large or of a later version.
    """
    try:
        if not path.is_file():
            message = f"{path} is not a file"
            raise TenError(message)
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path)
        with zipfile.ZipFile(path) as archive:
            return _Reader(path, archive).bundle()
    except FileNotFoundError as error:
        message = f"No such file: {path}"
        raise TenError(message) from error
    except OSError as error:
        message = f"Cannot read {path}: {error.strerror or error}"
        raise TenError(message) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _damaged(path, str(error)) from error
    except (NotImplementedError, RuntimeError, ValueError) as error:
        # What `zipfile` says of passwords, odd compressions and headers that contradict.
        raise _damaged(path, str(error)) from error


class _Reader:
    """Reads members, and counts what they take."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._left = MAX_BYTES
        if len(archive.infolist()) > MAX_MEMBERS:
            raise _damaged(path, "too many members")

    def bundle(self) -> Bundle:
        head = self._one(_MANIFEST, dict[str, Any])
        if head.get("format") != FORMAT:
            raise _damaged(self._path, "its manifest is another program's")
        if head.get("version") != VERSION:
            shown = str(head.get("version"))[:20]
            message = f"{self._path} is a bundle of version {shown}, this `ten` reads {VERSION}"
            raise TenError(message, hint="open it with the `ten` that wrote it, or a newer one")
        self._left = MAX_BYTES
        names = self._archive.namelist()
        return Bundle(
            manifest=self._one(_MANIFEST, Manifest),
            state=self._one("state.json", Snapshot),
            doctor=self._one("doctor.json", Report) if "doctor.json" in names else None,
            events=self._lines("events.jsonl", Event),
            samples=self._lines("samples.jsonl", Metrics),
            metrics=self._lines("metrics.jsonl", KeptMetric),
            logs=self._lines("logs.jsonl", LogWindow),
        )

    def _bytes(self, name: str) -> bytes:
        """Unpack a member, no further than the limit whatever its header says."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise _damaged(self._path, f"{name} is missing") from None
        if info.file_size > self._left:
            raise _too_large(self._path)
        with self._archive.open(info) as file:
            data = file.read(self._left + 1)
        if len(data) > self._left:
            raise _too_large(self._path)
        self._left -= len(data)
        return data

    def _one(self, name: str, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(self._bytes(name), type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(self._path, f"{name}: {error}") from error

    def _lines(self, name: str, shape: type[T]) -> list[T]:
        try:
            return msgspec.json.Decoder(shape).decode_lines(self._bytes(name))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(self._path, f"{name}: {error}") from error


def _damaged(path: Path, why: str) -> TenError:
    message = f"{path} is not a bundle, or it is damaged: {why}"
    return TenError(message, hint="`ten bundle -o FILE` makes one")


def _too_large(path: Path) -> TenError:
    message = f"{path} is larger than {MAX_BYTES // 1024**2} MiB, unpacked: no bundle is"
    return TenError(message)
