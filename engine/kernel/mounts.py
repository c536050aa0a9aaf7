"""What is mounted where, as /proc/PID/mountinfo tells it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo. Source: proc_pid_mountinfo(5).

    Attributes:
        root: The folder of the file system that is seen at `target`; not "/" for a bind mount.
        options: Of the mount, "ro,nosuid,..."; those of the file system are `super_options`.
    """

    id: int
    parent: int
    root: str
    target: str
    options: frozenset[str]
    fstype: str
    source: str
    super_options: frozenset[str]


def parse_mount(line: str) -> Mount:
    """Read one line of mountinfo.

    Raises:
        ValueError: It is none.
    """
    before, separator, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        raise ValueError(f"no line of mountinfo: {line!r}")
    return Mount(
        id=int(fields[0]),
        parent=int(fields[1]),
        root=_unescape(fields[3]),
        target=_unescape(fields[4]),
        options=frozenset(fields[5].split(",")),
        fstype=rest[0],
        source=_unescape(rest[1]),
        super_options=frozenset(rest[2].split(",")),
    )


def read_mounts(pid: int | str = "self") -> list[Mount]:
    """List the mounts a process sees, in the order they were made.

    Raises:
        OSError: The process is gone.
    """
    # A path may hold any byte but a newline: mountinfo escapes blanks, not broken UTF-8.
    text = Path(f"/proc/{pid}/mountinfo").read_bytes().decode(errors="surrogateescape")
    return [parse_mount(line) for line in text.splitlines() if line]


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """Find the mount a path lies on: of those whose target holds it the deepest, then newest."""
    path = os.path.realpath(path)
    found: Mount | None = None
    for mount in mounts:
        holds = path == mount.target or path.startswith(f"{mount.target.rstrip('/')}/")
        if holds and (found is None or len(mount.target) >= len(found.target)):
            found = mount
    return found


class Tree:
    """Mounts as paths are looked up in them: what a later mount covers is not found."""

    def __init__(self, mounts: list[Mount]) -> None:
        """Take all mounts of one process, in the order they were made."""
        ids = {each.id for each in mounts}
        self._below = {(each.parent, each.target): each for each in mounts}
        self._root = next((each for each in mounts if each.parent not in ids), None)

    def find(self, path: str) -> Mount | None:
        """Find the mount that a path without links lies on."""
        found, place = self._enter(self._root, "/"), ""
        for part in filter(None, path.split("/")):
            place = f"{place}/{part}"
            found = self._enter(found, place)
        return found

    def _enter(self, mount: Mount | None, place: str) -> Mount | None:
        """Go to what is mounted on a mount at a place, and on that, and on that."""
        while mount is not None and (above := self._below.get((mount.id, place))) is not None:
            if above.id == mount.id:
                break
            mount = above
        return mount


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)
