"""All checks, in the order they are shown."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from engine.core.doctor import Answer, Finding, Report, report_of
from engine.runtime.doctor import (
    cgroups,
    isolation,
    kernel,
    memory,
    network,
    serving,
    storage,
    terminal,
)
from engine.runtime.doctor.scope import no

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.runtime.doctor.scope import Said, Scope


class Check(NamedTuple):
    """One line of the report: its stable name, its words, and what finds it out."""

    name: str
    title: str
    look: Callable[[Scope], Said]


CHECKS = (
    Check("kernel.version", "Linux", kernel.version),
    Check("kernel.pidfd", "pidfd_open", kernel.pidfd),
    Check("kernel.pidfd_exit", "exit status by pidfd", kernel.pidfd_exit),
    Check("kernel.clone3", "clone3 into a cgroup", kernel.clone3),
    Check("kernel.open_tree", "open_tree, move_mount", kernel.open_tree),
    Check("kernel.mount_setattr", "mount_setattr", kernel.mount_setattr),
    Check("kernel.openat2", "openat2", kernel.openat2),
    Check("kernel.close_range", "close_range", kernel.close_range),
    Check("kernel.clock", "clock", kernel.clock),
    Check("cgroup.tree", "control groups", cgroups.tree),
    Check("cgroup.writable", "a group for instances", cgroups.writable),
    *(
        Check(f"cgroup.{kind}", f"{kind} controller", cgroups.controller(kind))
        for kind in ("memory", "cpu", "pids", "io", "cpuset")
    ),
    Check("cgroup.kill", "cgroup.kill", cgroups.kill),
    Check("cgroup.freeze", "cgroup.freeze", cgroups.freeze),
    Check("cgroup.pressure", "pressure (PSI)", cgroups.pressure),
    Check("cgroup.pid_max", "process numbers", cgroups.pids),
    Check("isolation.privileges", "privileges", isolation.privileges),
    Check("isolation.user", "user namespaces", isolation.user_namespaces),
    *(
        Check(f"isolation.{kind}", f"{kind} namespaces", isolation.namespace_of(kind))
        for kind in ("pid", "mount", "ipc", "uts", "cgroup")
    ),
    Check("isolation.launch", "namespace launch", isolation.launch),
    Check("isolation.users", "users of their own", isolation.users),
    Check("isolation.seccomp", "seccomp", isolation.seccomp),
    Check("isolation.libseccomp", "libseccomp", isolation.libseccomp),
    Check("isolation.runsc", "gVisor (runsc)", isolation.runsc),
    Check("network.private", "network namespaces", network.private),
    Check("network.nftables", "nftables", network.nftables),
    Check("network.outbound", "a way out of them", network.outbound),
    Check("memory.amount", "memory", memory.amount),
    Check("memory.swap", "swap", memory.swap),
    Check("memory.reclaim", "memory.reclaim", memory.reclaim),
    Check("storage.data_dir", "data directory", storage.data_dir),
    Check("storage.space", "space", storage.space),
    Check("storage.quotas", "project quotas", storage.quotas),
    Check("storage.inotify", "inotify", storage.inotify),
    Check("storage.open_files", "open files", storage.open_files),
    Check("storage.processes", "processes", storage.processes),
    Check("serving.port", "port", serving.port),
    Check("serving.door_user", "user of the doors", serving.door_user),
    Check("serving.tls", "HTTPS (caddy)", serving.tls),
    Check("serving.python", "Python", serving.python),
    Check("serving.manager", "service manager", serving.service_manager),
    Check("serving.ssh", "ssh", serving.ssh),
    Check("terminal.kind", "terminal", terminal.terminal),
    Check("terminal.colours", "colours", terminal.colours),
    Check("terminal.utf8", "UTF-8", terminal.utf8),
    Check("terminal.width", "width", terminal.width),
)


def examine(scope: Scope) -> Report:
    """Look at everything; takes about half a second."""
    path = scope.config.path if scope.config else ""
    return report_of(socket.gethostname(), path, [*_configured(scope), *_all(scope)])


def _all(scope: Scope) -> Iterator[Finding]:
    for check in CHECKS:
        if check.name.startswith("terminal.") and not scope.shows(check.name):
            continue
        try:
            said = check.look(scope)
        except (OSError, ValueError, KeyError) as error:
            # A host stranger than expected is a finding, not the end of all the others.
            said = no(f"it cannot be looked at: {error}")
        yield Finding(
            name=check.name,
            title=check.title,
            value=said.value,
            detail=said.detail,
            why=said.why,
            fix=said.fix,
            needed_by=said.needed_by,
        )


def _configured(scope: Scope) -> Iterator[Finding]:
    """What the configuration asks for and would be refused, in the words of its load."""
    if scope.error:
        yield Finding(
            name="configuration.file",
            title="tenement.toml",
            value=Answer.NO,
            why=scope.error,
            needed_by=("ten serve",),
        )
    for lack in scope.lacks:
        key = ".".join(map(str, lack.place))
        yield Finding(
            name=f"configuration.{key}",
            title=key,
            value=Answer.NO if lack.is_refused else Answer.PARTLY,
            why=lack.reason,
            fix=lack.fix,
            needed_by=(key,),
        )
