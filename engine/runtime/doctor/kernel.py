"""The kernel itself: version, system calls, clock."""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
import time

from engine.kernel.features import is_clock_synchronised, why_no_syscall
from engine.kernel.syscalls import pidfd_exit_status
from engine.runtime.doctor.scope import ALWAYS, Said, Scope, no, partly, unless, yes

_OLDEST = (5, 7)
"""Kernel whose system calls the launch cannot do without."""

_WANTED = (5, 14)
"""Kernel from which on cgroup.kill and mount_setattr are there."""

_NEWER = "run a newer kernel: Debian 12, Ubuntu 22.04 and later have one"


def version(_: Scope) -> Said:
    """The release, against what the engine was written for."""
    release = platform.release()
    found = re.match(r"(\d+)\.(\d+)", release)
    number = (int(found[1]), int(found[2])) if found else (0, 0)
    detail = f"{release} {platform.machine()}"
    if number < _OLDEST:
        why = f"Linux {_OLDEST[0]}.{_OLDEST[1]} or later is needed"
        return no(why, _NEWER, detail=detail, needed_by=ALWAYS)
    if number < _WANTED:
        why = f"before Linux {_WANTED[0]}.{_WANTED[1]} some of what follows is missing"
        return partly(why, _NEWER, detail=detail)
    return yes(detail)


def pidfd(_: Scope) -> Said:
    """A process held by descriptor: its pid cannot become another's."""
    return unless(why_no_syscall("pidfd_open"), _NEWER, needed_by=ALWAYS)


def pidfd_exit(_: Scope) -> Said:
    """The exit status of a process that is not our child: of one a former keeper started."""
    with subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(7)"]) as child:
        fd = os.pidfd_open(child.pid)
        child.wait()
    try:
        status = pidfd_exit_status(fd)
    finally:
        os.close(fd)
    if status is not None:
        return yes()
    why = "after the keeper was killed, instances it had started end with an unknown exit status"
    return no(why, "Linux 6.15 or later")


def clone3(scope: Scope) -> Said:
    """A process born in its cgroup: nothing it does escapes count and limit."""
    why = why_no_syscall("clone3")
    if not why and (number := scope.tries.get("clone3", 0)):
        why = f"not in {scope.tree.path if scope.tree else ''}: {_word(number)}"
    if why:
        return partly(f"{why}; instances are moved there after the fork", _NEWER)
    if "clone3" not in scope.tries:
        return partly("there is no cgroup to start a process in", detail="the call is there")
    return yes("tried")


def mount_setattr(scope: Scope) -> Said:
    """Mounts made read-only with all below them at once."""
    needed = scope.asking("isolation", lambda spec: spec.isolation.value != "process")
    return unless(why_no_syscall("mount_setattr"), _NEWER, needed_by=needed)


def open_tree(scope: Scope) -> Said:
    """Mounts moved by descriptor: what is kept in sight of a hidden folder."""
    needed = scope.asking("isolation", lambda spec: spec.isolation.value != "process")
    return unless(why_no_syscall("open_tree"), _NEWER, needed_by=needed)


def openat2(_: Scope) -> Said:
    """Paths opened without following a link."""
    why = why_no_syscall("openat2")
    return partly(f"{why}; folders are walked part by part", _NEWER) if why else yes()


def close_range(_: Scope) -> Said:
    """All descriptors closed at once."""
    why = why_no_syscall("close_range")
    return partly(f"{why}; they are closed one by one", _NEWER) if why else yes()


def clock(_: Scope) -> Said:
    """A clock that somebody keeps right: log lines and events of several hosts compare."""
    resolution = time.clock_getres(time.CLOCK_MONOTONIC)
    detail = f"steps of {resolution * 1e9:.0f} ns"
    match is_clock_synchronised():
        case True:
            return yes(f"synchronised, {detail}")
        case False:
            why = "nothing synchronises it: times of different hosts do not compare"
            return partly(why, "timedatectl set-ntp true", detail=detail)
        case None:
            return partly("whether it is synchronised may not be asked here", detail=detail)


def spawn_time(scope: Scope) -> Said:
    """From the fork to the end of a program that does nothing, in isolation `namespace`."""
    trial = scope.launch
    if trial.is_good:
        return yes(f"{trial.seconds * 1000:.1f} ms for an instance that does nothing")
    return no(f"{trial.step}: {trial.reason}", trial.fix)


def _word(number: int) -> str:
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"
