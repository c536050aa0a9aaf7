"""The engine, with one step of some launches made to fail.

The keeper of a test starts it in place of `python -m engine`: `--engine-command`. While the file
named by TEN_TEST_SABOTAGE is there, the launch of an instance `SERVICE:sN` has a filter of system
calls put before step N of its plan. The kernel then refuses what that step asks of it, with the
error it would give for want of memory, space or permission; nothing else is changed.
"""

import dataclasses
import errno
import os
import re
import sys
from pathlib import Path
from typing import Any

import engine.__main__
from engine.daemon import launcher
from engine.kernel.seccomp import Rule, compile_filter
from engine.runtime.plan import Plan
from engine.runtime.steps import NoNewPrivileges, RefuseCalls

REFUSED: dict[str, tuple[int, tuple[str, ...]]] = {
    "cgroup": (errno.EACCES, ("openat",)),
    "unshare": (errno.ENOSPC, ("unshare",)),
    "fork": (errno.EAGAIN, ("clone", "clone3", "fork", "vfork")),
    "reap": (errno.EAGAIN, ("clone", "clone3", "fork", "vfork")),
    "loopback": (errno.EMFILE, ("socket",)),
    "give_output": (errno.EPERM, ("fchown", "fchownat")),
    "mkdir": (errno.ENOSPC, ("openat", "openat2", "mkdirat")),
    "mount": (errno.ENOSPC, ("mount",)),
    "hostname": (errno.EPERM, ("sethostname",)),
    "readonly": (errno.ENOMEM, ("mount", "mount_setattr", "open_tree")),
    "hide": (errno.ENOSPC, ("mount", "open_tree")),
    "dev": (errno.ENOSPC, ("mount",)),
    "mask": (errno.ENOSPC, ("mount",)),
    "take": (errno.ENOSPC, ("open_tree",)),
    "attach": (errno.ENOSPC, ("move_mount",)),
    "root": (errno.ENOSPC, ("mount",)),
    "unlink": (errno.EIO, ("lstat", "newfstatat", "statx")),
    "give_dir": (errno.EPERM, ("fchownat",)),
    "setsid": (errno.EPERM, ("setsid",)),
    "rlimit": (errno.EPERM, ("setrlimit", "prlimit64")),
    "user": (errno.EAGAIN, ("setgroups", "setresuid")),
    "chdir": (errno.EACCES, ("chdir",)),
    "keyring": (errno.EDQUOT, ("keyctl",)),
    "no_new_privs": (errno.EINVAL, ("prctl",)),
    "drop_caps": (errno.EPERM, ("capset",)),
    "seccomp": (errno.ENOMEM, ("seccomp",)),
    "exec": (errno.ENOMEM, ("execve",)),
}
"""By step: the error, and the system calls it is given for."""

build = launcher.build_plan


def sabotage(plan: Plan, at: int) -> Plan:
    """Put a filter before one step. Without CAP_SYS_ADMIN it needs no_new_privs."""
    number, calls = REFUSED[plan.steps[at].op]
    program = compile_filter(Rule(call, errno=number) for call in calls)
    filter_ = RefuseCalls("the test's", program.hex())
    steps = (*plan.steps[:at], NoNewPrivileges(), filter_, *plan.steps[at:])
    return dataclasses.replace(plan, steps=steps)


def build_sabotaged(spec: Any, ident: str, **fields: Any) -> Plan:
    plan = build(spec, ident, **fields)
    found = re.fullmatch(r"s(\d+)", ident)
    is_armed = Path(os.environ["TEN_TEST_SABOTAGE"]).exists()
    return sabotage(plan, int(found[1])) if found and is_armed else plan


if __name__ == "__main__":
    launcher.build_plan = build_sabotaged
    sys.exit(engine.__main__.main())
