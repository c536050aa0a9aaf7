"""An engine on another host: HTTP through `ssh HOST ten bridge`, which leads to its Unix socket.

Nothing has to listen on the network for it, and the engine knows the caller as the user that ssh
logged in. Connections share one login where ssh can (ControlMaster), so that a question costs one
round trip.
"""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.core.errors import Refused
from engine.core.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSIST_SECONDS = 60
"""A login is kept for so long after the last connection."""

ANSWER_SECONDS = 30.0
"""For the login and the first answer together."""

_END_SECONDS = 1.0
_SAID_BYTES = 2000


def split_host(text: str) -> tuple[str, str]:
    """Split "user@host" or "user@host:/folder", the folder with the tenement.toml over there.

    Raises:
        Refused: It is empty, or ssh would take it for an option.
    """
    host, _, folder = text.partition(":")
    if not host or host.startswith("-") or host.endswith("@") or not host.isprintable():
        message = f"Not a host: '{sanitize(text)}'"
        raise Refused(message, hint="user@host, or user@host:/folder of its tenement.toml")
    return host, folder


def command(host: str, *, is_batch: bool, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Give the command line that reaches an engine.

    Args:
        host: As `split_host` takes it.
        is_batch: Ask the user nothing: a console draws on the terminal.
        environ: TEN_SSH names another program than ssh; sockets of logins are kept in
            XDG_RUNTIME_DIR, else in ~/.ssh.
    """
    name, folder = split_host(host)
    words = [environ.get("TEN_SSH") or "ssh", "-T", "-o", "ServerAliveInterval=5"]
    words += ["-o", "ServerAliveCountMax=2", "-o", "ConnectTimeout=10"]
    if is_batch:
        words += ["-o", "BatchMode=yes"]
    if (sockets := _sockets(environ)) is not None:
        words += ["-o", "ControlMaster=auto", "-o", f"ControlPath={sockets}/ten-%C"]
        words += ["-o", f"ControlPersist={PERSIST_SECONDS}"]
    remote = "ten bridge" + (f" -- {shlex.quote(folder)}" if folder else "")
    return [*words, "--", name, remote]


def _sockets(environ: Mapping[str, str]) -> Path | None:
    """Find a folder that only the user can enter."""
    for folder in (environ.get("XDG_RUNTIME_DIR", ""), environ.get("HOME", "/") + "/.ssh"):
        if not folder:
            continue
        try:
            status = Path(folder).stat()
        except OSError:
            continue
        if status.st_uid == os.geteuid() and not status.st_mode & 0o077:
            return Path(folder)
    return None


class BridgeConnection(http.client.HTTPConnection):
    """HTTP over the standard streams of a command."""

    def __init__(self, argv: list[str]) -> None:
        """Take the command line; it is started at the first request."""
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._said = ""

    def connect(self) -> None:
        """Start the command. That it cannot log in shows at the first answer."""
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - ssh, or what the user says
                    self._argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._errors
                )
        except OSError:
            ours.close()
            self._errors.close()
            raise
        ours.settimeout(self.timeout)
        self.sock = ours

    @property
    def said(self) -> str:
        """The last line the command complained with, "" for none; known once it is closed."""
        return self._said

    def close(self) -> None:
        """End the command, wait until it is gone, and keep what it complained of.

        `http.client` closes by itself a connection that ended without an answer.
        """
        super().close()
        process, self._process = self._process, None
        if process is not None:
            _end(process)
        if self._errors is not None and not self._errors.closed:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - _SAID_BYTES))
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            self._said = _telling(lines)
            self._errors.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a command end by itself, its input being closed; then end it."""
    for end in (None, process.terminate, process.kill):
        if end is not None:
            end()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    process.wait()


def _telling(lines: list[str]) -> str:
    """Choose the line that says why: an error of `ten`, else the last."""
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return sanitize((errors or lines or [""])[-1])
