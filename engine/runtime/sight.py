"""What stays in sight of an instance in places that are hidden from it: what its service names.

That is its working directory, its program with the interpreter it needs, and paths in its
arguments and its own environment. What the engine passes on of its own environment names nothing,
but for the folders of PATH.

Links are followed only where the instance cannot have put them (`engine.runtime.links`). One in a
folder that it writes may lead to nothing hidden but an interpreter of a version manager.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from engine.core.hardening import Hardening
from engine.runtime.links import follow, is_below, is_in, store_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from engine.core.spec import ServiceSpec
    from engine.runtime.steps import Launchable

_ENGINE_OWN = ("acme", "run", "logs", "secrets", ".metrics", "ten.db", "tenement.db", "api_token")
"""First names in the data directory that no instance may name."""

_BESIDE = ("bin", "shims")
"""Names of folders of programs that need what lies beside the folder."""

SYSTEM = ("/usr/", "/etc/", "/bin/", "/sbin/", "/lib", "/dev/", "/proc/", "/sys/")
"""Where nothing is made writable because an argument names it."""

_SHEBANG_BYTES = 256
"""So much of a script the kernel reads for its interpreter. Source: execve(2)."""


def outermost(place: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Give those of the paths that lie below a place, without those below another of them."""
    found: list[str] = []
    for path in sorted({each for each in paths if is_below(each, place)}):
        if not any(is_below(path, other) for other in found):
            found.append(path)
    return tuple(found)


def is_engines(path: str, data_dir: str) -> bool:
    """Tell whether a path below the data directory is the engine's own."""
    first = os.path.relpath(path, data_dir).split("/", 1)[0]
    return first.startswith(_ENGINE_OWN)


def why_engines(path: str, data_dir: str) -> str:
    """Tell why a path, links resolved, is nothing an instance may be given; "" where it is."""
    socket_dir = os.path.dirname(os.path.realpath(os.path.join(data_dir, "run", "ten.sock")))
    for own in (data_dir, socket_dir):
        if is_in(path, (own,)) or is_below(own, path):
            return f"holds the engine's own folder {own}, or lies in it"
    return ""


def written_places(what: Launchable, hidden: Collection[str] = ()) -> tuple[str, ...]:
    """Find where an instance, or another one, may have put links.

    That is the data directory, what others write, what is mounted writable, and unless it is
    "strict" its working directory and the folders of what it is given.
    """
    writable = (each.source for each in what.mounts if each.is_writable)
    places = {what.data_dir, *what.written, *map(os.path.realpath, writable)}
    if what.hardening.level is not Hardening.STRICT:
        places |= {what.workdir} - {"/"}
        for path in _given(what):
            folder = follow(os.path.dirname(os.path.normpath(path)), places)
            is_spared = not folder or is_never_written(folder, hidden)
            places |= {follow(path, places) if is_spared else folder} - {"", "/"}
    return tuple(places)


def shared_places(specs: Iterable[ServiceSpec]) -> tuple[str, ...]:
    """Find where instances of any service may have put links, of what all of a service share."""
    named = set()
    for spec in specs:
        if not spec.rootfs and spec.hardening.level is not Hardening.STRICT:
            named.add(spec.workdir)
        # What is filled in for each instance is its own: no other is led through it.
        shared = (each.source for each in spec.mounts if each.is_writable)
        named |= {source for source in shared if "{" not in source}
    # Most services share their workdir, the folder of the file: each path is resolved once.
    return tuple(sorted(set(map(os.path.realpath, named)) - {"/"}))


def is_never_written(folder: str, hidden: Collection[str]) -> bool:
    """Tell whether a folder is not made writable because a file in it is named."""
    return folder in hidden or folder.count("/") <= 1 or f"{folder}/".startswith(SYSTEM)


def given_paths(what: Launchable, hidden: Collection[str]) -> list[str]:
    """Find what an instance works with: its working directory, arguments and own environment.

    Args:
        what: Of the instance.
        hidden: The places that are hidden as a whole, links resolved.

    Returns: folders, and those that files lie in; without links but perhaps in the last part.
    """
    written = written_places(what, hidden)
    return [what.workdir, *_resolved(_given(what), what, hidden, written)]


def found_paths(what: Launchable, hidden: Collection[str]) -> list[str]:
    """Find what it needs to run: its program with the interpreter, and the folders of PATH."""
    written = written_places(what, hidden)
    programs = _resolved(_programs(what, written), what, hidden, written)
    return [*programs, *_folders_of_path(what, hidden, written)]


def _given(what: Launchable) -> list[str]:
    given = [os.path.join(what.workdir, text) for text in what.argv[1:] if "\0" not in text]
    return given + [text for text in what.named if text.startswith("/") and "\0" not in text]


def _resolved(
    paths: Iterable[str], what: Launchable, hidden: Collection[str], written: Collection[str]
) -> list[str]:
    found = []
    for path in paths:
        if _leads_through(path, what.own_dir):
            continue  # it is in sight; where its links lead is the tenant's choice
        folder, name = os.path.split(os.path.normpath(path))
        folder = follow(folder, written)
        path = os.path.join(folder, name)  # noqa: PLW2901 - the same, resolved
        target = follow(path, written) if folder else ""
        if target and os.path.exists(target) and path != what.socket:
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
    if folder.count("/") <= 1:
        return path
    if os.path.basename(folder) in _BESIDE and os.path.dirname(folder) not in hidden:
        folder = os.path.dirname(folder)
    return path if folder in hidden else folder


def _programs(what: Launchable, written: Collection[str]) -> list[str]:
    """Find the program, its interpreter, and that of a virtual environment where it starts."""
    found = [os.path.join(what.workdir, f"{name}/bin/python") for name in (".venv", "venv")]
    found += what.helpers
    said: list[str] = []
    if what.program and not _leads_through(what.program, what.own_dir):
        found += [what.program, os.path.join(os.path.dirname(what.program), "python")]
        place = follow(what.program, written)
        if place and not is_in(place, written):
            found += _interpreters(what)
        else:  # the instance may have written it
            said = _interpreters(what)
    found += [follow(path, written) or _installed(path, what) for path in found]
    return [path for path in (*found, *(_installed(each, what) for each in said)) if path]


def _installed(path: str, what: Launchable) -> str:
    """Find the installed interpreter that a path leads to, by whoever's links; "" for none."""
    above, homes = what.workdir, [os.path.expanduser("~")]
    while above != "/":
        above = os.path.dirname(above)
        homes.append(above)
    if what.account is not None:
        homes.append(what.account.home)
    return store_of(os.path.realpath(path), list(map(os.path.realpath, homes)))


def _interpreters(what: Launchable) -> list[str]:
    """Name what the kernel runs for a script, and what env(1) would."""
    try:
        if not stat.S_ISREG(os.stat(what.program).st_mode):
            return []  # to open a device may do something
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


def _folders_of_path(
    what: Launchable, hidden: Collection[str], written: Collection[str]
) -> list[str]:
    """Give the folders of PATH, with what is beside a bin/ unless that is a hidden folder's."""
    found = []
    for text in what.env["PATH"].split(":"):
        if not text.startswith("/") or "\0" in text or _leads_through(text, what.own_dir):
            continue
        folder = follow(text, written) or _installed(text, what)
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
