"""What stays in sight of an instance in places that are hidden from it: what its service names.

That is its working directory, its program with the interpreter it needs, and paths in its
arguments and its own environment. What the engine passes on of its own environment names nothing,
but for the folders of PATH.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from engine.runtime.steps import Launchable

_ENGINE_OWN = ("acme", "run", "logs", "secrets", ".metrics", "ten.db", "tenement.db", "api_token")
"""First names in the data directory that no instance may name."""

_BESIDE = ("bin", "shims")
"""Names of folders of programs that need what lies beside the folder."""

_SHEBANG_BYTES = 256
"""So much of a script the kernel reads for its interpreter. Source: execve(2)."""


def outermost(place: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Give those of the paths that lie below a place, without those below another of them."""
    found: list[str] = []
    for path in sorted({each for each in paths if is_below(each, place)}):
        if not any(is_below(path, other) for other in found):
            found.append(path)
    return tuple(found)


def is_below(path: str, place: str) -> bool:
    """Tell whether a path lies below another, both absolute and without links or dots."""
    return path.startswith(place.rstrip("/") + "/")


def is_engines(path: str, data_dir: str) -> bool:
    """Tell whether a path below the data directory is the engine's own."""
    first = os.path.relpath(path, data_dir).split("/", 1)[0]
    return first.startswith(_ENGINE_OWN)


def given_paths(what: Launchable, hidden: Collection[str]) -> list[str]:
    """Find what an instance works with: its working directory, arguments and own environment.

    Args:
        what: Of the instance.
        hidden: The places that are hidden as a whole, links resolved.

    Returns: folders, and those that files lie in; without links but perhaps in the last part.
    """
    given = [os.path.join(what.workdir, text) for text in what.argv[1:] if "\0" not in text]
    given += [text for text in what.named if text.startswith("/") and "\0" not in text]
    return [what.workdir, *_resolved(given, what, hidden)]


def found_paths(what: Launchable, hidden: Collection[str]) -> list[str]:
    """Find what it needs to run: its program with the interpreter, and the folders of PATH."""
    return [*_resolved(_programs(what), what, hidden), *_folders_of_path(what, hidden)]


def _resolved(paths: Iterable[str], what: Launchable, hidden: Collection[str]) -> list[str]:
    found = []
    for path in paths:
        if _leads_through(path, what.own_dir):
            continue  # it is in sight; where its links lead is the tenant's choice
        folder, name = os.path.split(os.path.normpath(path))
        path = os.path.join(os.path.realpath(folder), name)  # noqa: PLW2901 - the same, resolved
        if os.path.exists(path) and path != what.socket:
            found.append(_with_neighbours(path, hidden))
    return found


def _with_neighbours(path: str, hidden: Collection[str]) -> str:
    """A file brings its folder, but not one that is hidden as a whole.

    A program in bin/ brings what is beside that, as in a virtual environment; so does one in the
    shims/ of a version manager.
    """
    if os.path.isdir(path):
        return path
    folder = os.path.dirname(path)
    if os.path.basename(folder) in _BESIDE and os.path.dirname(folder) not in hidden:
        folder = os.path.dirname(folder)
    return path if folder in hidden else folder


def _programs(what: Launchable) -> list[str]:
    """Find the program, its interpreter, and that of a virtual environment where it starts."""
    found = [os.path.join(what.workdir, f"{name}/bin/python") for name in (".venv", "venv")]
    found += what.helpers
    if what.program and not _leads_through(what.program, what.own_dir):
        found += [what.program, *_interpreters(what)]
        found.append(os.path.join(os.path.dirname(what.program), "python"))
    return found + [os.path.realpath(path) for path in found if os.path.islink(path)]


def _interpreters(what: Launchable) -> list[str]:
    """Name what the kernel runs for a script, and what env(1) would."""
    try:
        fd = os.open(what.program, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        head = os.read(fd, _SHEBANG_BYTES) if is_file else b""
    finally:
        os.close(fd)
    if not head.startswith(b"#!"):
        return []
    words = head[2:].split(b"\n", 1)[0].decode(errors="surrogateescape").split()
    if len(words) > 1 and os.path.basename(words[0]) == "env":
        words[1:] = [
            shutil.which(word, path=what.env["PATH"]) or "/"
            for word in words[1:]
            if not word.startswith("-") and "=" not in word and "\0" not in word
        ]
        return [word for word in words[:2] if word.startswith("/") and word != "/"]
    return [word for word in words[:1] if word.startswith("/") and "\0" not in word]


def _folders_of_path(what: Launchable, hidden: Collection[str]) -> list[str]:
    """Give the folders of PATH, with what is beside a bin/ unless that is a hidden folder's."""
    found = []
    for text in what.env["PATH"].split(":"):
        if not text.startswith("/") or "\0" in text or _leads_through(text, what.own_dir):
            continue
        folder = os.path.realpath(text)
        above, name = os.path.split(folder)
        # What lies beside ~/.local/bin and ~/.cargo/bin is the user's, not the program's.
        is_users = name == "bin" and os.path.basename(above).startswith(".")
        if name in _BESIDE and above not in hidden and not is_users:
            folder = above
        if os.path.isdir(folder) and folder not in hidden:
            found.append(folder)
    return found


def _leads_through(path: str, folder: str) -> bool:
    """Tell whether a folder, its links resolved, is on the way to a path."""
    if os.path.realpath(path) == path:  # there are no links on the way
        return path == folder or is_below(path, folder)
    while (above := os.path.dirname(path)) != path:
        if os.path.realpath(path) == folder:
            return True
        path = above
    return False
