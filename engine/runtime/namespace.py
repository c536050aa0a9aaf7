"""Isolation `namespace`: own processes, mounts, IPC and host name, and on wish network.

What an instance sees of the host's files is in `engine.runtime.files`. It has no capabilities but
those its service names, and can gain none; `hardening` says how much more is taken from it.

An ordinary user gets the same by a user namespace that maps just that user.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing
from engine.core.hardening import Hardening
from engine.kernel import syscalls, userns
from engine.runtime.files import COVERED, file_steps
from engine.runtime.links import is_below
from engine.runtime.network import entered, network_steps, resolver_steps, unshared
from engine.runtime.process import become, give_output
from engine.runtime.refused import CALLS, filter_program
from engine.runtime.steps import (
    DropCapabilities,
    Enter,
    ForkInit,
    GiveDir,
    JoinCgroup,
    JoinKeyring,
    MakeDir,
    MapIds,
    MountStep,
    NoNewPrivileges,
    Reap,
    RefuseCalls,
    RemoveSocket,
    SetHostname,
    StartSession,
    Unshare,
    resource_limits,
)

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step

_HOSTNAME_BYTES = 64
DEFAULT_RLIMITS = {"core": (0, 0)}
"""A core dump may hold anything, and fills the disk."""


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
    names += ["pid", "mount", "ipc", "uts", *unshared(what)] + (["cgroup"] if what.cgroup else [])
    return (
        *([JoinCgroup(what.cgroup)] if what.cgroup else []),
        Unshare(tuple(names)),
        *([_own_ids()] if needs_user else []),
        ForkInit(),
        *entered(what),
        Reap(),
        *network_steps(what),
        *give_output(what),
        MakeDir(what.own_dir),
        MountStep("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE),
        *resolver_steps(what),
        SetHostname(hostname_of(what)),
        *file_steps(what, is_rootless=needs_user),
        MakeDir(os.path.dirname(what.socket), 0o755),
        RemoveSocket(what.socket),
        *give_socket_dir(what),
        StartSession(),
        *_limits(what),
        *become(what),
        Enter(what.workdir),
        *_restrictions(what),
        what.execute,
    )


def hostname_of(what: Launchable) -> str:
    """Name the host an instance sees itself on after the instance."""
    return what.name.replace(":", "-").replace("_", "-")[:_HOSTNAME_BYTES]


def give_socket_dir(what: Launchable) -> tuple[Step, ...]:
    """Let the instance's user make its socket, where the folder is in its own /tmp."""
    folder = os.path.dirname(what.socket)
    is_own = any(is_below(folder, os.path.realpath(place)) for place in COVERED)
    if what.account is None or not is_own:
        return ()
    return (GiveDir(folder, what.account.uid, what.account.gid),)


def _limits(what: Launchable) -> list[Step]:
    """Limit its resources while that may still raise a limit."""
    is_off = what.hardening.level is Hardening.OFF
    return resource_limits(({} if is_off else DEFAULT_RLIMITS) | what.hardening.rlimits)


def _restrictions(what: Launchable) -> list[Step]:
    """Take from it what it needs no more, the privileges to do so last."""
    if what.hardening.level is Hardening.OFF:
        named = what.hardening.capabilities
        return [DropCapabilities(named)] if named else []
    return [
        JoinKeyring(),
        NoNewPrivileges(),
        DropCapabilities(needed_capabilities(what)),
        *_filter(),
    ]


def needed_capabilities(what: Launchable) -> tuple[str, ...]:
    """Keep root's access to files only where the program lies in another user's folder.

    Without it uid 0 is as any other owner: a checkout in a user's home would be out of reach.
    """
    named = set(what.hardening.capabilities)
    if what.rootfs:
        return tuple(sorted(named))
    try:
        owner = os.stat(what.workdir).st_uid
    except OSError:
        return tuple(sorted(named))
    if what.account is None and os.geteuid() == 0 and owner != 0:
        named.add("dac_override")
    return tuple(sorted(named))


def _filter() -> list[Step]:
    """Refuse system calls, where this host can; `engine.runtime.host` says where it cannot."""
    program = filter_program()
    return [RefuseCalls(f"{len(CALLS)} calls and more", program.hex())] if program else []


def _own_ids() -> MapIds:
    uid, gid = os.geteuid(), os.getegid()
    return MapIds(f"{uid} {uid} 1", f"{gid} {gid} 1")


def _check_user_namespaces(name: str) -> None:
    reason, fix = userns.why_no_user_namespace()
    if reason:
        text = f'{name}: isolation = "namespace" without root needs user namespaces: {reason}'
        raise FeatureMissing(text, hint=fix)
