"""Whether it is the instance that listens on its port, and not somebody who was there first.

A port of the host can be taken by anybody on it. What answers there must not be taken for the
instance: it would be sent what tenants send to theirs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.kernel.listeners import (
    listeners_on,
    owners_of,
    strangers_among,
)
from engine.kernel.proctable import ProcessTable

if TYPE_CHECKING:
    from engine.daemon.process import LiveProcess

_log = logging.getLogger(__name__)


def foreign_listener(process: LiveProcess, port: int) -> str:
    """Say who else listens on the port of an instance in the host's network; "": nobody.

    The instance's processes are those of its cgroup; where it has none, those below its PID 1 or
    reaper, which no process leaves. May take milliseconds: not for the loop's thread.
    """
    if process.has_own_network:
        return ""
    try:
        listening = listeners_on(port)
        strangers = strangers_among(listening, _pids_of(process)) if listening else []
    except OSError as error:
        # An instance that would not start for it would be worse.
        _log.warning("cannot tell who listens on port %d: %s", port, error)
        return ""
    if not strangers:
        return ""
    named = [f"{name} (pid {pid})" for pid, name in owners_of(strangers[0].inode)]
    who = ", ".join(named[:3]) or f"a program of uid {strangers[0].uid}"
    return f"port {port} is listened on by another program: {who}"


def _pids_of(process: LiveProcess) -> list[int]:
    if process.cgroup is not None:
        return process.cgroup.pids()
    return ProcessTable().scan([process.pid])[process.pid]
