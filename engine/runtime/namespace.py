"""Isolation `namespace`: own processes, mounts, IPC and host name; the network is the host's.

What an instance sees: the host's files, but an own /proc, /tmp and /dev/shm, and of the engine's
data directory only its own folder. What it named itself below a hidden place is kept in sight:
its working directory, its program, and paths in its arguments and environment. It has no
capabilities and can gain none. /sys and the kernel's switches in /proc/sys are read-only.

An ordinary user gets the same by a user namespace that maps just that user.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing
from engine.kernel import syscalls, userns
from engine.runtime.steps import (
    DropCapabilities,
    Enter,
    ForkInit,
    Hide,
    JoinCgroup,
    MakeDir,
    MakeReadOnly,
    MapIds,
    MountStep,
    NoNewPrivileges,
    Reap,
    RemoveSocket,
    SetHostname,
    StartSession,
    Unshare,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.runtime.steps import Launchable, Step

PRIVATE = ("/tmp", "/dev/shm")  # noqa: S108 - these are what is hidden
"""Folders of the host that everybody may write; each instance has its own, in memory."""

_ENGINE_OWN = ("run", "logs", "secrets", "ten.db", "tenement.db", "api_token")
"""First names in the data directory that no instance may name."""

_PROC_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_HOSTNAME_BYTES = 64


def plan_steps(what: Launchable) -> tuple[Step, ...]:
    """Plan a launch in namespaces.

    PID 1 is forked off before anything is mounted: it shares the mount namespace, and the less
    it does itself, the fewer pages of the keeper it copies.

    Raises:
        FeatureMissing: An ordinary user, and the kernel keeps user namespaces from them.
    """
    needs_user = not userns.has_capability("sys_admin")
    if needs_user:
        _check_user_namespaces(what.name)
    names = ["user"] if needs_user else []
    names += ["pid", "mount", "ipc", "uts"] + (["cgroup"] if what.cgroup else [])
    return (
        *([JoinCgroup(what.cgroup)] if what.cgroup else []),
        Unshare(tuple(names)),
        *([_own_ids()] if needs_user else []),
        ForkInit(),
        Reap(),
        MakeDir(what.own_dir),
        MountStep("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE),
        SetHostname(what.name.replace(":", "-").replace("_", "-")[:_HOSTNAME_BYTES]),
        *_hide(what),
        MountStep("proc", "/proc", "proc", _PROC_FLAGS),
        MountStep("/proc/sys", "/proc/sys", flags=syscalls.MS_BIND),
        MakeReadOnly("/proc/sys"),
        MakeReadOnly("/sys"),
        MakeDir(os.path.dirname(what.socket), 0o755),
        RemoveSocket(what.socket),
        StartSession(),
        Enter(what.workdir),
        NoNewPrivileges(),
        DropCapabilities(_needed_capabilities(what)),
        what.execute,
    )


def _hide(what: Launchable) -> list[Step]:
    """Cover what is everybody's, then the data directory."""
    wanted = _mentions(what)
    own = [each for each in wanted if not _is_engines(each, what.data_dir)]
    socket_dir = _short_dir(what.data_dir)
    return [
        *(
            Hide(place, outermost(place, (*wanted, what.own_dir)), 0o1777)
            for place in map(os.path.realpath, PRIVATE)
            if os.path.isdir(place)
        ),
        *([Hide(socket_dir)] if socket_dir else []),
        Hide(what.data_dir, outermost(what.data_dir, (*own, what.own_dir))),
    ]


def _short_dir(data_dir: str) -> str:
    """Find the folder outside where the engine's API listens; "" where its path is not too long.

    Whoever has root's uid and reaches that socket is taken for root.
    """
    path = os.path.join(data_dir, "run", "ten.sock")
    folder = os.path.dirname(os.path.realpath(path))
    is_covered = any(is_below(folder, os.path.realpath(place)) for place in (*PRIVATE, data_dir))
    return folder if os.path.isdir(folder) and not is_covered else ""


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


def _mentions(what: Launchable) -> list[str]:
    """Find what the configuration names: folders, and those that files lie in."""
    hidden = {os.path.realpath(each) for each in (*PRIVATE, what.data_dir)}
    named = [os.path.join(what.workdir, text) for text in what.argv[1:] if "\0" not in text]
    named += [text for text in what.env.values() if text.startswith("/") and "\0" not in text]
    named = [what.program, *named, os.path.realpath(what.program)] if what.program else named
    found = [what.workdir]
    for path in named:
        if _leads_through(path, what.own_dir):
            continue  # it is in sight; where its links lead is the tenant's choice
        folder, name = os.path.split(os.path.normpath(path))
        path = os.path.join(os.path.realpath(folder), name)  # noqa: PLW2901 - the same, resolved
        if not os.path.exists(path) or path == what.socket:
            continue
        # A file brings its folder, but not one that is hidden as a whole; a program in bin/ what
        # is beside that, as in a virtual environment.
        folder, is_folder = os.path.dirname(path), os.path.isdir(path)
        if os.path.basename(folder) == "bin" and os.path.dirname(folder) not in hidden:
            folder = os.path.dirname(folder)
        found.append(path if is_folder or folder in hidden else folder)
    return found


def _leads_through(path: str, folder: str) -> bool:
    """Tell whether a folder, its links resolved, is on the way to a path."""
    while (above := os.path.dirname(path)) != path:
        if os.path.realpath(path) == folder:
            return True
        path = above
    return False


def _is_engines(path: str, data_dir: str) -> bool:
    first = os.path.relpath(path, data_dir).split("/", 1)[0]
    return first.startswith(_ENGINE_OWN)


def _needed_capabilities(what: Launchable) -> tuple[str, ...]:
    """Keep root's access to files only where the program lies in another user's folder.

    Without it uid 0 is as any other owner: a checkout in a user's home would be out of reach.
    """
    try:
        owner = os.stat(what.workdir).st_uid
    except OSError:
        return ()
    return ("dac_override",) if os.geteuid() == 0 and owner != 0 else ()


def _own_ids() -> MapIds:
    uid, gid = os.geteuid(), os.getegid()
    return MapIds(f"{uid} {uid} 1", f"{gid} {gid} 1")


def _check_user_namespaces(name: str) -> None:
    reason, fix = userns.why_no_user_namespace()
    if reason:
        text = f'{name}: isolation = "namespace" without root needs user namespaces: {reason}'
        raise FeatureMissing(text, hint=fix)
