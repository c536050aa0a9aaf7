"""The Caddy in front, as the engine sees it: what it is told, whether it runs, why it ended.

The keeper starts it and starts it again; with the engine away it goes on. Certificates in files
are looked at once a second: a notice of the file system does not come for all of them, and
renewals exchange links somewhere on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.core.caddy import ADMIN_SOCKET, may_have_certificate, merged, read_options
from engine.core.errors import FeatureMissing
from engine.core.wire import EventKind
from engine.daemon import tasks
from engine.daemon.clock import wall
from engine.runtime.front import config_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.doorwire import RouteTable
    from engine.core.spec import TlsSpec
    from engine.daemon.journal import Journal
    from engine.daemon.registry import Registry

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at Caddy and at the files."""

_LOAD_SECONDS = 15.0
_LAST_BYTES = 4096
_START_SECONDS = 3.0


class TlsView(msgspec.Struct, frozen=True, kw_only=True):
    """How TLS is served; the first six as the peer has them.

    Attributes:
        running: Caddy runs and has answered.
        pid: Of Caddy, 0 while it does not run.
        error: Why the newest configuration or certificates are not in force, "" where they are.
    """

    enabled: bool
    domain: str | None
    staging: bool
    https_port: int
    http_port: int
    recommendation: str
    running: bool = False
    pid: int = 0
    internal: bool = False
    certificates: tuple[str, ...] = ()
    error: str = ""


class Front:
    """Keeps Caddy's configuration as the file says, and tells what becomes of it."""

    def __init__(
        self,
        options: str,
        *,
        run_dir: Path,
        domain: str,
        port: int,
        registry: Registry,
        journal: Journal,
        table: Callable[[int], RouteTable],
    ) -> None:
        """Take what `ten serve` has settled, "" where TLS is off; nothing is looked at yet."""
        self._options = read_options(options)
        self._run_dir = run_dir
        self._domain, self._port = domain, port
        self._registry = registry
        self._journal = journal
        self._table = table
        self._pid = 0
        self._seen: object = None
        self._seen_at = 0.0
        self._loaded = self._error = ""

    def table(self, version: int) -> RouteTable:
        """Make the doors' table; with Caddy in front they take its word on who asks."""
        table = self._table(version)
        if self._options is None:
            return table
        return msgspec.structs.replace(table, front_uid=self._options.uid)

    def is_served(self, host: str) -> bool:
        """Tell whether Caddy may get a certificate for a host."""
        return may_have_certificate(self._table(0), host)

    def view(self) -> TlsView:
        """Describe it."""
        tls = self._tls()
        is_on = self._options is not None
        return TlsView(
            enabled=is_on,
            domain=self._domain if is_on else tls.domain or None,
            staging=tls.staging,
            https_port=tls.https_port if is_on else 0,
            http_port=tls.http_port if is_on else 0,
            recommendation="" if is_on else "ten serve --tls serves HTTPS by Caddy",
            running=self._pid > 0 and self._seen is not None,
            pid=self._pid,
            internal=tls.internal,
            certificates=tuple(files.cert for files in tls.certificates),
            error=self._error,
        )

    def start(self) -> None:
        """Begin to look, if there is anything to look at."""
        if self._options is not None:
            tasks.spawn(self._watch(), name="front")

    async def _watch(self) -> None:
        while True:
            self._look_at_process()
            if self._pid:
                await self._look_at_files()
            await asyncio.sleep(LOOK_SECONDS)

    def _tls(self) -> TlsSpec:
        tls = self._registry.config.settings.tls
        return tls if self._options is None else merged(tls, self._options)

    # --- the process ---

    def _look_at_process(self) -> None:
        pid = _caddy_of(self._run_dir)
        if pid == self._pid:
            return
        if self._pid:
            why = _last_word(self._run_dir, self._seen_at)
            self._note(f"caddy (pid {self._pid}) ended and is started again: {why}", "error")
        self._pid, self._seen_at = pid, wall()
        self._seen = None  # another one: it may have read the files at another time than we

    # --- its configuration ---

    async def _look_at_files(self) -> None:
        seen = self._fingerprint()
        if seen == self._seen:
            return
        try:
            error, text = "", await asyncio.to_thread(self._load)
        except FeatureMissing as refused:
            error, text = f"the certificates are not taken: {refused}", self._loaded
        except (OSError, HTTPException) as failed:
            # It is starting, or has just died: the next look is soon.
            log.info("caddy is not told its configuration: %s", failed)
            return
        is_first, self._seen = self._seen is None, seen
        if is_first:
            self._note(f"caddy serves HTTPS on port {self._tls().https_port} (pid {self._pid})")
        if error and error != self._error:
            self._note(error, "error")
        elif self._loaded and text != self._loaded:
            self._note("caddy has a new configuration; connections go on")
        self._error, self._loaded = error, text

    def _fingerprint(self) -> object:
        tls = self._tls()
        paths = [path for files in tls.certificates for path in (files.cert, files.key)]
        return tls, [_stat(path) for path in paths]

    def _load(self) -> str:
        """Give Caddy its configuration; where it has it already, nothing is done there.

        Raises:
            FeatureMissing: A certificate cannot be used, or Caddy refuses the configuration.
            OSError, HTTPException: Caddy does not answer.
        """
        assert self._options is not None  # noqa: S101 - `start` has seen to it
        config = config_of(self._tls(), self._options, self._port)
        text = json.dumps(config)
        _post(self._run_dir / "caddy", "/load", text)
        return text

    def _note(self, text: str, level: str = "info") -> None:
        self._journal.add(EventKind.ENGINE, text, level=level, actor="caddy")


class _Admin(HTTPConnection):
    """HTTP over Caddy's Unix socket, however long the path of its folder is."""

    def __init__(self, folder: Path) -> None:
        super().__init__("localhost", timeout=_LOAD_SECONDS)
        self._folder = folder

    def connect(self) -> None:
        at = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{at}/{ADMIN_SOCKET}")
        finally:
            os.close(at)


def _post(folder: Path, path: str, text: str) -> None:
    admin = _Admin(folder)
    with contextlib.closing(admin):
        admin.request("POST", path, text, {"Content-Type": "application/json"})
        answer = admin.getresponse()
        body = answer.read(_LAST_BYTES).decode(errors="replace")
    if answer.status >= 300:
        raise FeatureMissing(f"caddy refuses its configuration: {_reason(body)}")


def _reason(body: str) -> str:
    try:
        found: Any = json.loads(body)
        return str(found["error"])
    except (ValueError, KeyError, TypeError):
        return body


def _caddy_of(run_dir: Path) -> int:
    """Give Caddy's pid, 0 while none runs: by the keeper's word and the program's name."""
    try:
        pid = int((run_dir / "caddy.pid").read_text())
        is_caddy = Path(f"/proc/{pid}/cwd").readlink() == (run_dir / "caddy").resolve()
    except (OSError, ValueError):
        return 0
    return pid if is_caddy and _name_of(pid) == "caddy" else 0


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:  # noqa: PTH123
        return file.read().strip()
    return ""


def _stat(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - a text from the configuration
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _last_word(run_dir: Path, since: float) -> str:
    """Find why Caddy ended: what it wrote to standard error, else its last error in its log."""
    lines = _last_lines(run_dir / "log" / "front.log")
    if lines:
        return lines[-1]
    for line in reversed(_last_lines(run_dir / "caddy" / "caddy.log")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = json.loads(line)
            if said["level"] in {"error", "fatal"} and said["ts"] > since - _START_SECONDS:
                return str(said["msg"])
    return "it left no word"


def _last_lines(path: Path) -> list[str]:
    """Read the end of a file that another user may have put there: no link, and no pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - of a descriptor
            file.seek(max(0, os.fstat(fd).st_size - _LAST_BYTES))
            text = file.read(_LAST_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.split("\n") if line.strip()]
