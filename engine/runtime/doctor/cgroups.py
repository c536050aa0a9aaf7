"""Control groups: the tree, the controllers, and what can be done with a group."""

from __future__ import annotations

import os

from engine.core.limits import KEYS, asked
from engine.kernel.controllers import survey
from engine.kernel.features import setting, why_no_pressure
from engine.kernel.mounts import read_mounts
from engine.runtime.doctor.scope import Said, Scope, no, partly, yes

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


def limits(scope: Scope) -> Said:
    """Which controllers limits can use."""
    found = survey()
    there = ", ".join(sorted(found.usable))
    if not found.missing:
        return yes(there)
    names = ", ".join(found.missing)
    first = next(iter(found.missing.values())).reason
    reason = first if len(found.missing) == 1 else f"not to be had: {names}; {first}"
    fix = next(iter(found.missing.values())).fix
    needed_by = tuple(
        f"service.{name}.{key}"
        for name, spec in (scope.config.services if scope.config else {}).items()
        for key in asked(spec.limits)
        if KEYS[key].controller in found.missing
    )
    answer = partly if there else no
    return answer(reason, fix, detail=there, needed_by=needed_by)


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
