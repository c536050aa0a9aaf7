"""Isolation `process`: an own session, process group and cgroup, and nothing hidden."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.runtime.steps import (
    BecomeUser,
    Enter,
    GiveOutput,
    JoinCgroup,
    MakeDir,
    NoNewPrivileges,
    Reap,
    RemoveSocket,
    StartSession,
    resource_limits,
)

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step


def plan_steps(what: Launchable) -> tuple[Step, ...]:
    """Plan a launch without namespaces.

    Where there is no cgroup to hold all its processes together, a subreaper does: children that
    left the session come to it when their parent ends, and are killed with the program.
    """
    return (
        *([JoinCgroup(what.cgroup)] if what.cgroup else []),
        *([] if what.cgroup else [Reap()]),
        *give_output(what),
        MakeDir(what.own_dir),
        MakeDir(os.path.dirname(what.socket), 0o755),
        RemoveSocket(what.socket),
        StartSession(),
        *resource_limits(what.hardening.rlimits),
        *become(what),
        *([NoNewPrivileges()] if what.account else []),
        Enter(what.workdir),
        what.execute,
    )


def give_output(what: Launchable) -> tuple[Step, ...]:
    """Plan to give its output to the instance's own user, before anything is read-only."""
    account = what.account
    return (GiveOutput(account.uid, account.gid),) if account else ()


def become(what: Launchable) -> tuple[Step, ...]:
    """Plan the change to the instance's own user, if it has one."""
    account = what.account
    return (BecomeUser(account.uid, account.gid, account.groups),) if account else ()
