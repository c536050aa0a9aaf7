"""A process the keeper holds for the engine until its end is acknowledged."""

import contextlib
import os
import struct
import time

from engine.keeper.protocol import Message
from engine.kernel.syscalls import process
from engine.kernel.syscalls.launch import Launch

_TOLD = ("name", "pid", "start_ticks", "main_pid", "cgroup", "blob", "is_adopted", "exit")


class Instance:
    """A process held by its pidfd.

    Attributes:
        pid: The process whose end is the instance's end: the program, its PID 1 or its reaper;
            0 until it is known.
        main_pid: The program itself, 0 until it is ready to be executed.
        status_fd: Where a reaper writes the program's true wait status.
        exit: None while it lives; then status (wait status or None) and time (epoch).
        is_acked: Its end is known to the engine, maybe before it is here.
    """

    def __init__(self, name: str, cgroup: str = "", blob: object = None) -> None:
        """Name it; nothing runs yet."""
        self.name = name
        self.cgroup = cgroup
        self.blob = blob
        self.pid = self.main_pid = self.start_ticks = 0
        self.pidfd = self.status_fd = -1
        self.is_adopted = self.is_subreaper = self.is_acked = False
        self.exit: Message | None = None

    def take(self, launch: Launch) -> None:
        """Take over what a launch has come to."""
        self.pid, self.main_pid = launch.pid, launch.main_pid
        self.pidfd, self.status_fd = launch.pidfd, launch.status_fd
        with contextlib.suppress(FileNotFoundError):
            self.start_ticks = process.start_ticks(self.pid)

    def told(self) -> Message:
        """Give what the engine is told of it."""
        return {"type": "instance"} | {name: getattr(self, name) for name in _TOLD}

    def ended(self, status: int | None) -> None:
        """Note the end; below a reaper the program's own status counts, where it was told."""
        with contextlib.suppress(OSError, struct.error):
            status = struct.unpack("i", os.read(self.status_fd, 4))[0]
        self.exit = {"status": status, "time": time.clock_gettime(time.CLOCK_REALTIME)}

    def kill(self) -> None:
        """End every process of it, by the surest way there is."""
        is_told = self.is_subreaper and self.main_pid > 0
        process.kill_all(self.pidfd, self.cgroup, is_subreaper=is_told)

    def close(self) -> None:
        """Let go of it."""
        for fd in (self.pidfd, self.status_fd):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self.status_fd = -1


def restore(record: Message) -> Instance:
    """Find the process of a former keeper's record again; if it is gone, it has ended."""
    found = Instance("")
    for name in (*_TOLD, "is_subreaper"):
        setattr(found, name, record[name])
    found.is_adopted = True
    try:
        found.pidfd = process.open_same(found.pid, found.start_ticks, found.cgroup)
    except OSError:
        found.pidfd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)  # readable, as if ended
        if found.exit is None:
            found.ended(None)
    return found
