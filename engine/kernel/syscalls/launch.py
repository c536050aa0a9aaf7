"""Launching a plan: what the parent follows, and what runs in the new process up to the exec.

All signals are blocked in the child. Two descriptors lead to the parent: the report socket (3;
the parent sees the sender's host pid in its credentials) and, below a reaper, the status pipe
(4), through which the true wait status of the program goes; a third (5) may hold the native
PID 1. Reports, one message each:

| report | from | meaning |
|---|---|---|
| init | PID 1 of a new namespace | its host pid is the sender's |
| ready | the program | its host pid is the sender's; before the exec it waits for the answer `go` |
| [index, errno, path] | any | that step failed (-1: before the first) |

The socket is closed by the exec: its end without a failure says that the program runs.
"""

import contextlib
import errno as errnos
import gc
import json
import os
import resource
import signal
import socket
from collections.abc import Sequence
from mmap import mmap

from engine.kernel import syscalls
from engine.kernel.syscalls import process, reaper, steps
from engine.kernel.syscalls.clone import clone, fuse

_REPORT_FD, _STATUS_FD, _REAPER_FD = 3, reaper.STATUS_FD, 5


class Program:
    """The process that becomes a program; it may leave a reaper behind."""

    def __init__(self, plan: list[list[object]], nofile: tuple[int, int]) -> None:
        """Take the plan, and the limit of open files it runs under."""
        self.plan = plan
        self.nofile = nofile
        self.reaper = 0

    def run(self, fds: Sequence[int], output: list[str], progress: mmap) -> None:
        """Carry out the plan, noting each step in a page shared with the parent.

        Returns only once a step has failed and was reported; the process has to end then.

        Args:
            fds: Report socket, status pipe, and the native PID 1 where there is one.
            output: FIFOs for stdout and stderr.
            progress: Its first byte becomes the index of the step.
        """
        index, path = -1, ""
        try:
            gc.disable()  # a collection would copy the pages shared with the parent
            process.place_fds(fds)
            for fd in range(_REPORT_FD, _REPORT_FD + len(fds)):
                os.set_inheritable(fd, False)
            resource.setrlimit(resource.RLIMIT_NOFILE, self.nofile)
            for number, path in enumerate(["/dev/null", *output]):
                # A description of its own: the parent's is non-blocking.
                fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
                os.dup2(fd, number)
                os.close(fd)
            for index, step in enumerate(self.plan):
                if not step:
                    continue  # done by the clone
                progress[0], (name, *arguments) = index, step
                first = arguments[0] if arguments else ""
                path = first if isinstance(first, str) and "/" in first else ""
                (steps.STEPS[str(name)] or getattr(self, f"_{name}"))(*arguments)
        except OSError as error:
            self._report(index, error.errno or errnos.EIO, os.fsdecode(error.filename or path))
        except BaseException:  # noqa: BLE001 - nothing may go on as a second parent
            self._report(index, errnos.EINVAL, path)

    def _report(self, index: int, errno: int, path: str) -> None:
        with contextlib.suppress(OSError):
            os.write(_REPORT_FD, json.dumps([index, errno, path]).encode())

    def _fork(self) -> None:
        if os.fork():
            os._exit(0)  # the parent, a subreaper, becomes the parent of PID 1
        os.write(_REPORT_FD, b"init")

    def _reap(self) -> None:
        self.reaper = os.getpid()
        if self.reaper != 1:
            syscalls.set_child_subreaper()
        if main := os.fork():
            os.setsid()  # or a Ctrl-C on the keeper's terminal would be passed on
            os.close(_REPORT_FD)
            os.dup2(0, 1)
            os.dup2(0, 2)
            os.chdir("/")
            if syscalls.become_init() and self.reaper == 1:
                reaper.become(_REAPER_FD, main)
            os.closerange(_REAPER_FD, _REAPER_FD + 1)
            syscalls.set_name(reaper.NAME)
            process.reap(main, _STATUS_FD, is_init=self.reaper == 1)
        # So early, the parent notes it down while the other steps are done.
        os.write(_REPORT_FD, b"ready")

    def _exec(self, file: str, argv: list[str], env: dict[str, str]) -> None:
        # Below a subreaper the program may not outlive it; PID 1 takes all along anyway.
        if self.reaper > 1 and not syscalls.set_pdeathsig(signal.SIGKILL, self.reaper):
            os._exit(1)
        if not self.reaper:
            os.write(_REPORT_FD, b"ready")
        if os.read(_REPORT_FD, 16) != b"go":
            os._exit(1)  # the parent died before its record of us was written
        process.execute(file, argv, env)


class Launch:
    """A launch under way, seen from the parent: from the fork to the running program.

    Attributes:
        child: The process forked here; where the plan forks and that could not be done in one
            go, it ends and leaves PID 1 behind.
        pid: The process that stands for the program: itself, its PID 1 or its reaper; 0 until
            it is known.
        main_pid: The process that becomes the program, 0 until it is known.
        pidfd: Of `pid`, and before that of `child`. To be taken over by the caller.
        status_fd: Where a reaper writes the true wait status. To be taken over by the caller.
        failure: Step, errno, path and index of what failed, None while nothing has.
    """

    def __init__(self, plan: list[list[object]], reaper_fd: int = -1) -> None:
        """Take what is to be launched; nothing runs yet.

        Args:
            plan: Its steps.
            reaper_fd: Of `reaper.open_image`; -1 for a PID 1 in Python.
        """
        self.child = self.pid = self.main_pid = 0
        self.pidfd = self.status_fd = -1
        self.failure: dict[str, object] | None = None
        self._plan = plan
        self._reaper_fds = [reaper_fd] if reaper_fd >= 0 else []
        self._page = mmap(-1, 1)

    def start(self, output: list[str], nofile: tuple[int, int]) -> None:
        """Fork.

        Raises:
            OSError: No process, memory or descriptor is left.
        """
        with contextlib.ExitStack() as undo:
            self.report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(self.report.close)
            with theirs:
                self.report.setblocking(False)
                self.report.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                self.status_fd, status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                undo.callback(os.close, self.status_fd)
                try:
                    self._fork((theirs.fileno(), status_end, *self._reaper_fds), output, nofile)
                finally:
                    os.close(status_end)
            undo.pop_all()

    def _fork(self, fds: Sequence[int], output: list[str], nofile: tuple[int, int]) -> None:
        left, flags, cgroup = fuse(self._plan)
        try:
            program = Program(left, nofile)
            self.child = process.fork(
                lambda: program.run(fds, output, self._page), lambda: clone(flags, cgroup)
            )
        except OSError:
            # Step by step then: it may work where clone3 is forbidden, and names what fails.
            left, program = self._plan, Program(self._plan, nofile)
            self.child = process.fork(lambda: program.run(fds, output, self._page))
        self.pid = 0 if ["fork"] in left else self.child
        self.pidfd = os.pidfd_open(self.child)

    def read(self) -> bytes:
        """Take one report; empty at their end, where the program runs or the launch has failed.

        Raises:
            BlockingIOError: There is none now.
        """
        try:
            report, sender = process.receive_from(self.report)
        except ConnectionResetError:  # it failed before it had read `go`; its reports are there
            report, sender = process.receive_from(self.report)
        if report == b"init":
            self.pid = sender
            before, self.pidfd = self.pidfd, os.pidfd_open(sender)
            os.close(before)
        elif report == b"ready":
            self.main_pid = sender
            if sender == self.pid:  # without a reaper nobody writes there
                os.close(self.status_fd)
                self.status_fd = -1
        elif report:
            self._fail(*json.loads(report))
        elif not self.main_pid or self._page[0] < len(self._plan) - 1:
            self.give_up(errnos.ECHILD)
        return report

    def go(self) -> None:
        """Let the program be executed."""
        with contextlib.suppress(OSError):  # it was killed meanwhile: read() will tell
            self.report.send(b"go")

    def give_up(self, errno: int) -> None:
        """Say that the step it is in has failed, unless one has before."""
        self._fail(self._page[0], errno, "")

    def _fail(self, index: int, errno: int, path: str) -> None:
        step = steps.describe(self._plan[index]) if index >= 0 else "open output"
        self.failure = self.failure or {"step": step, "errno": errno, "path": path, "index": index}

    def close(self) -> None:
        """End the reporting; a program that waits for `go` ends."""
        self._page.close()
        self.report.close()
