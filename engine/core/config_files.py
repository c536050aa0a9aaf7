"""The keys of a service that say what files its instances see: `rootfs` and `mounts`."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.spec import Bind, Isolation

if TYPE_CHECKING:
    from engine.core.config_table import Table

_KERNELS = ("/proc", "/sys", "/dev")
_NOT_IN_OVERLAY = ":,\\"
"""What separates in the options of an overlay, where the folder is named."""

_FORM = 'write it as "/source:/target" or "/source:/target:rw"'


def read_rootfs(table: Table, isolation: Isolation, folder: str) -> str:
    """Read `rootfs`: a folder that instances have for their root; "" for the host's files.

    Args:
        table: The service's.
        isolation: Its.
        folder: Of the file: there a relative path begins.

    Raises:
        SpecError: It is none that could be, or this isolation has no root of its own.
    """
    path = table.line("rootfs")
    if "rootfs" not in table:
        return ""
    _check_isolation(table, "rootfs", isolation)
    if not path:
        table.fail("rootfs", "rootfs is empty", hint="leave it out, and it is the host's files")
    path = posixpath.join(folder, path)
    if _plain(path) == "/":
        table.fail("rootfs", "rootfs cannot be the host's /", hint="leave it out")
    if found := [each for each in _NOT_IN_OVERLAY if each in path]:
        table.fail("rootfs", f"rootfs {short(path)!r} holds {found[0]!r}, which no overlay takes")
    return _plain(path)


def read_mounts(table: Table, isolation: Isolation, folder: str) -> tuple[Bind, ...]:
    """Read `mounts`: files and folders of the host that instances see, read-only by default.

    Raises:
        SpecError: One is not of the form, or its target is not to be covered.
    """
    texts = table.texts("mounts") or ()
    if texts:
        _check_isolation(table, "mounts", isolation)
    found: dict[str, Bind] = {}
    for text in texts:
        bind = _read_bind(table, text, folder)
        if bind.target in found:
            table.fail("mounts", f"mounts: {short(bind.target)!r} is the target of two")
        found[bind.target] = bind
    return tuple(found.values())


def _check_isolation(table: Table, key: str, isolation: Isolation) -> None:
    if isolation is Isolation.PROCESS:
        message = f'{key} cannot be had with isolation = "process", which sees the host\'s files'
        table.fail(key, message, hint='use isolation = "namespace"')


def _read_bind(table: Table, text: str, folder: str) -> Bind:
    parts = text.split(":")
    mode = parts.pop() if parts[-1] in {"ro", "rw"} else "ro"
    # A source may begin in the file's folder; a target is a place inside.
    if len(parts) not in (1, 2) or not parts[0] or not parts[-1].startswith("/"):
        message = f"mounts: {short(text)!r} is no pair of paths"
        table.fail("mounts", message, hint=f"{_FORM}; without a target it is the same path")
    if any(".." in part.split("/") for part in parts):
        table.fail("mounts", f"mounts: {short(text)!r} goes through '..'")
    source, target = _plain(posixpath.join(folder, parts[0])), _plain(parts[-1])
    if source in _KERNELS:
        message = f"mounts: {source!r} cannot be a source: each instance has its own"
        table.fail("mounts", message)
    if target == "/" or any(f"{target}/".startswith(f"{each}/") for each in _KERNELS):
        message = f"mounts: {short(target)!r} cannot be a target: it is each instance's own"
        table.fail("mounts", message)
    return Bind(source=source, target=target, is_writable=mode == "rw")


def _plain(path: str) -> str:
    """Leave out dots and slashes that say nothing; POSIX keeps two slashes at the front."""
    return "/" + posixpath.normpath(path).lstrip("/")
