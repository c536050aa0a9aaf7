"""Control groups: the tree, the controllers, and what can be done with a group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.limits import KEYS, PEER_KEYS
from engine.kernel.features import setting, why_no_pressure
from engine.kernel.mounts import read_mounts
from engine.runtime.doctor.scope import Said, Scope, no, partly, yes

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOT_V2 = "boot with the kernel parameter systemd.unified_cgroup_hierarchy=1"


def tree(_: Scope) -> Said:
    """Which versions of control groups are mounted."""
    mounts = read_mounts()
    second = [each.target for each in mounts if each.fstype == "cgroup2"]
    first = [each.target for each in mounts if each.fstype == "cgroup"]
    if second and not first:
        return yes(f"version 2 at {second[0]}")
    if second:
        why = "controllers that version 1 holds cannot be had in version 2"
        return partly(
            why, _BOOT_V2, detail=f"hybrid: version 2 at {second[0]}, version 1 beside it"
        )
    if first:
        return no("only version 1 is mounted, which is not used", _BOOT_V2)
    return no("no control groups are mounted", "mount -t cgroup2 none /sys/fs/cgroup")


def writable(scope: Scope) -> Said:
    """Whether instances can have a group each."""
    if scope.tree is not None:
        return yes(scope.tree.path)
    why = "no version 2 tree may be written by this user: an instance's processes are counted and"
    why += " ended by their PID namespace or reaper, and cannot be frozen or limited"
    if os.geteuid() == 0:
        return no(why, "mount it read-write; in a container give it a cgroup namespace of its own")
    return no(why, "systemd-run --user --scope -p Delegate=yes ten serve")


def controller(kind: str) -> Callable[[Scope], Said]:
    """Make the check of one controller, which limits need."""

    def check(scope: Scope) -> Said:
        missing = scope.survey.missing.get(kind)
        if missing is None:
            return yes(scope.survey.tree)
        refused = {".".join(map(str, each.place)) for each in scope.lacks if each.is_refused}
        keys = {key for key, it in KEYS.items() if it.controller == kind}
        keys |= {peer for peer, key in PEER_KEYS.items() if key in keys}
        needed = tuple(sorted(name for name in refused if name.rpartition(".")[2] in keys))
        return no(missing.reason, missing.fix, needed_by=needed)

    return check


def freeze(scope: Scope) -> Said:
    """A group stopped and let go on, for the freeze tier."""
    return _tried(scope, "freeze", "cgroup.freeze", "5.2")


def kill(scope: Scope) -> Said:
    """All processes of a group ended at once, which no fork outruns."""
    return _tried(scope, "kill", "cgroup.kill", "5.14")


def _tried(scope: Scope, what: str, file: str, since: str) -> Said:
    number = scope.tries.get(what)
    if number == 0:
        return yes("tried")
    if number is None:
        return no("there is no group to try it in")
    return no(f"{file}: {os.strerror(number)}", f"Linux {since} or later")


def pressure(_: Scope) -> Said:
    """How long tasks waited for CPU, memory and disk."""
    why, fix = why_no_pressure()
    return no(why, fix) if why else yes("/proc/pressure")


def pids(_: Scope) -> Said:
    """How many processes this kernel takes."""
    detail = f"pid_max {setting('kernel.pid_max')}, threads-max {setting('kernel.threads-max')}"
    most = int(setting("kernel.pid_max") or 0)
    if most and most <= 32768:
        return partly("few for many instances", "sysctl -w kernel.pid_max=4194304", detail=detail)
    return yes(detail)
