"""Whether somebody is writing to a file right now.

Source: fcntl(2), "Leases": a read lease is refused while the file is open for writing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time


def is_being_written(path: str) -> bool:
    """Tell whether a regular file is open for writing anywhere on this host.

    False also where that cannot be known: another user's file without CAP_LEASE, a network file
    system, no file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A writer who opens it meanwhile has this signal sent to us; SIGIO would be fatal.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False


def wait_until_written(path: str, seconds: float) -> None:
    """Wait while somebody writes to a file, but no longer than that. For a worker thread."""
    deadline = time.monotonic() + seconds
    while is_being_written(path) and time.monotonic() < deadline:
        time.sleep(0.05)
