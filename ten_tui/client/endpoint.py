"""Finds the engine a command is meant for."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.core.errors import TenError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE = "tenement.toml"
DEFAULT_DATA_DIR = "tenement-data"
DEFAULT_SERVER = "http://localhost:8080"
SOCKET = Path("run") / "ten.sock"

NO_CONFIG = """\
No tenement.toml found. Create one with:

[service.myapp]
command = "./my-app"
socket = "/tmp/myapp-{id}.sock"
"""

_DATA_DIR = re.compile(r"""^\s*data_dir\s*=\s*(["'])(?P<path>.*?)\1""", re.MULTILINE)
_MAX_CONFIG_BYTES = 16 * 1024 * 1024
_MAX_TOKEN_BYTES = 200


@dataclass(frozen=True)
class Endpoint:
    """Where an engine listens.

    Attributes:
        socket: Path of its Unix socket, "" where it is reached over TCP.
        url: "http://HOST:PORT", "" where it is reached by the socket.
        token: Sent as bearer token, "" for none.
        data_dir: Its data directory on this host, "" where that is not known.
        host: "user@host" or "user@host:/folder", reached by ssh; "" for this host.
        is_batch: ssh must ask the user nothing.
    """

    socket: str = ""
    url: str = ""
    token: str = ""
    data_dir: str = ""
    host: str = ""
    is_batch: bool = False

    @property
    def where(self) -> str:
        """Say it for messages."""
        return self.url or (f"ssh:{self.host}" if self.host else f"unix:{self.socket}")


def find_config(cwd: str | Path) -> Path | None:
    """Find the nearest tenement.toml, walking up from a directory."""
    here = Path(cwd).absolute()
    for folder in (here, *here.parents):
        candidate = folder / CONFIG_FILE
        if os.path.lexists(candidate):
            return candidate
    return None


def data_dir_of(config: Path) -> Path:
    """Read from a file where its engine keeps its data, also from a file with errors in it.

    A broken file must not come between a user and a running engine, so nothing else is read.
    """
    try:
        with config.open("rb") as file:
            text = file.read(_MAX_CONFIG_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    return config.parent / (_read_data_dir(text) or DEFAULT_DATA_DIR)


def _read_data_dir(text: str) -> str:
    try:
        settings = tomllib.loads(text).get("settings")
    except (tomllib.TOMLDecodeError, RecursionError):
        found = _DATA_DIR.search(text)
        return found["path"] if found else ""
    named = settings.get("data_dir") if isinstance(settings, dict) else None
    return named if isinstance(named, str) else ""


def find_engine(
    cwd: str | Path,
    *,
    server: str = "",
    data_dir: str = "",
    token: str = "",
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Find the engine that a command is meant for.

    A server, by argument or TENEMENT_SERVER, is reached over TCP with the token of the argument,
    of TENEMENT_TOKEN, or, on loopback, of the data directory. Else the data directory, by argument,
    TENEMENT_DATA_DIR or the nearest tenement.toml, holds the socket. Where that socket cannot be
    used and a token is given, the peer's default server is meant: an engine that is not the one
    the token is for refuses it.

    Raises:
        TenError: Nothing says which engine is meant.
    """
    environ = os.environ if environ is None else environ
    given_token = token or environ.get("TENEMENT_TOKEN", "")
    server = server or environ.get("TENEMENT_SERVER", "")
    folder = _data_dir(cwd, data_dir or environ.get("TENEMENT_DATA_DIR", ""))
    if server.startswith("unix:"):
        return Endpoint(socket=server.removeprefix("unix:"), token=token)
    if server:
        return _over_tcp(server, given_token, folder)
    if folder is None:
        if given_token:
            return _over_tcp(DEFAULT_SERVER, given_token, None)
        message = f"Could not load {CONFIG_FILE}. Are you in a tenement project directory?"
        raise TenError(message) from TenError(NO_CONFIG)
    socket = os.path.realpath(folder / SOCKET)
    if given_token and not os.access(socket, os.R_OK | os.W_OK):
        return _over_tcp(DEFAULT_SERVER, given_token, folder)
    return Endpoint(socket=socket, token=token, data_dir=str(folder))


def _over_tcp(server: str, token: str, folder: Path | None) -> Endpoint:
    return Endpoint(
        url=server.rstrip("/"),
        token=token or (_read_token(folder) if _is_this_host(server) else ""),
        data_dir="" if folder is None else str(folder),
    )


def _is_this_host(server: str) -> bool:
    """Tell whether a server is on loopback: the kept admin token is for nobody else."""
    try:
        host = urlsplit(server).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _data_dir(cwd: str | Path, named: str) -> Path | None:
    if named:
        return Path(cwd).absolute() / named
    config = find_config(cwd)
    return None if config is None else data_dir_of(config)


def _read_token(folder: Path | None) -> str:
    if folder is None:
        return ""
    try:
        with (folder / "api_token").open("rb") as file:
            return file.read(_MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
