"""Find and read the configuration file, whatever lies under its name."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.config import CONFIG_NAME, parse_config
from engine.core.errors import SpecError

if TYPE_CHECKING:
    from engine.core.spec import Config

MAX_CONFIG_BYTES = 1024 * 1024

_KINDS = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISFIFO, "Is a named pipe"),
    (stat.S_ISSOCK, "Is a socket"),
    (stat.S_ISCHR, "Is a device"),
    (stat.S_ISBLK, "Is a device"),
)

_REASONS = {
    errno.ELOOP: ("Its symbolic links lead in a circle", "see where it points with: ls -l"),
    errno.EACCES: ("Permission denied", "the user that runs ten must be able to read it"),
    errno.ENOENT: ("No such file", "make one with: ten init"),
}


def find_config(start_dir: Path) -> Path | None:
    """Find the nearest `tenement.toml`, walking up from a directory.

    Whatever has that name counts, also a dangling link: reading it says what is wrong with it.
    """
    start = start_dir.absolute()
    for folder in (start, *start.parents):
        candidate = folder / CONFIG_NAME
        if os.path.lexists(candidate):
            return candidate
    return None


def read_config(path: str | Path, *, is_strict: bool = False, data_dir: str = "") -> Config:
    """Read and check a configuration file; see `engine.core.config.parse_config`.

    Relative paths in it are resolved against the folder it is named in, not the one a link leads
    to.

    Raises:
        SpecError: It cannot be read, or is refused.
    """
    named = Path(path).absolute()
    data = _read_bytes(named)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error.start, str(named)) from error
    return parse_config(text, path=str(named), is_strict=is_strict, data_dir=data_dir)


def _read_bytes(path: Path) -> bytes:
    """Read a regular file of bounded size.

    Looked at before it is opened, since opening a device may do something; looked at again
    after, since it may have been exchanged. O_NONBLOCK, so that a pipe keeps nobody waiting.
    """
    try:
        _check_kind(path.stat().st_mode, path)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - of a descriptor
            _check_kind(os.fstat(fd).st_mode, path)
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        message, hint = _REASONS.get(error.errno or 0, (reason, ""))
        raise SpecError(message, path=str(path), verb="read", hint=hint) from error
    except ValueError as error:  # a NUL in the path
        raise SpecError(str(error), path=str(path), verb="read") from error
    if len(data) > MAX_CONFIG_BYTES:
        message = f"Is larger than {MAX_CONFIG_BYTES // 2**20} MiB"
        raise SpecError(message, path=str(path), verb="read")
    return data


def _check_kind(mode: int, path: Path) -> None:
    for is_kind, message in _KINDS:
        if is_kind(mode):
            raise SpecError(message, path=str(path), verb="read")


def _not_utf8(data: bytes, at: int, path: str) -> SpecError:
    """Say where the first byte stands that is no UTF-8."""
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    line = data[start : end if end >= 0 else len(data)].rstrip(b"\r")
    return SpecError(
        f"byte 0x{data[at]:02x} is not valid UTF-8",
        path=path,
        line=data.count(b"\n", 0, at) + 1,
        column=len(data[start:at].decode()) + 1,
        excerpt=line.decode(errors="replace"),
        verb="read",
    )
