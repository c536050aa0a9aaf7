"""Processes held by pidfd, which no later process can take over as it can a pid."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from engine.kernel.syscalls import pidfd_exit_status
from engine.kernel.syscalls.process import open_same

__all__ = ["exit_status", "is_alive", "open_pidfd", "open_same", "pid_of", "send_signal"]

exit_status = pidfd_exit_status


def open_pidfd(pid: int) -> int:
    """Hold a process; the descriptor becomes readable once it has ended.

    Raises:
        ProcessLookupError: There is none.
    """
    return os.pidfd_open(pid)


def send_signal(pidfd: int, number: int) -> bool:
    """Send a signal; tell whether the process was there to take it."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)
        return True
    return False


def is_alive(pidfd: int) -> bool:
    """Tell whether the process has yet to end; one that waits to be reaped has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


def pid_of(pidfd: int) -> int:
    """Give the process's pid as seen here: -1 once it was reaped, 0 in a foreign namespace.

    Source: pidfd_open(2), fdinfo.
    """
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        for line in file:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return -1
