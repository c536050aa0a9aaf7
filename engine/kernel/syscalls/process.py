"""Short sequences of system calls around fork, exec and wait, and what /proc says of processes."""

import _signal  # type: ignore[import-not-found]  # `signal` makes enums of all: 0.4 ms a launch
import contextlib
import errno as errnos
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterable, Sequence

KILL_ALL = signal.SIGRTMIN
"""Tells a reaper to end every descendant."""

PASSED_ON = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
    }
)
"""Signals a reaper gives on to its program."""

_RESET = PASSED_ON | {
    signal.SIGCHLD,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
}
"""Signals the keeper handles, or may have been started with as ignored, by nohup(1) or a shell."""

_DEFAULT = int(signal.SIG_DFL)
_ALL_SIGNALS = frozenset(map(int, signal.valid_signals()))

_AWAITED = PASSED_ON | {signal.SIGCHLD, KILL_ALL}


def is_in_cgroup(pid: int, path: str) -> bool:
    """Tell whether a process is in the v2 cgroup at a path of the cgroup file system."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup") as file:
        for line in file:
            if line.startswith("0::/") and line.strip() != "0::/":
                return f"{path}/".endswith(f"{line[3:].strip()}/")
    return False


def start_ticks(pid: int) -> int:
    """Give when a process was started, in ticks since boot. Source: proc_pid_stat(5), field 22."""
    with open(f"/proc/{pid}/stat", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def children() -> list[int]:
    """List the children of this thread's process, also the dead. Needs CONFIG_PROC_CHILDREN."""
    with open("/proc/thread-self/children") as file:
        return [int(pid) for pid in file.read().split()]


def open_same(pid: int, ticks: int, cgroup: str) -> int:
    """Open a pidfd of the process that was started then, and is in that cgroup if there is one.

    Raises:
        OSError: It is gone; ESRCH also where the pid is another's now.
    """
    pidfd = os.pidfd_open(pid)
    try:
        # Asked with the pidfd in hand: what is looked at can be no later owner of the pid.
        if start_ticks(pid) == ticks and (not cgroup or is_in_cgroup(pid, cgroup)):
            return pidfd
        raise ProcessLookupError(errnos.ESRCH, os.strerror(errnos.ESRCH))
    except OSError:
        os.close(pidfd)
        raise


def kill_all(pidfd: int, cgroup: str, *, is_subreaper: bool) -> None:
    """End a process and all its own by the surest way there is: its cgroup, PID 1 or reaper."""
    if cgroup:
        with contextlib.suppress(OSError), open(f"{cgroup}/cgroup.kill", "w") as file:
            file.write("1")
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(pidfd, KILL_ALL if is_subreaper else signal.SIGKILL)


def open_fifos(paths: Iterable[str], size_bytes: int) -> tuple[int, ...]:
    """Make FIFOs where there are none, and open both ends of each without blocking."""
    with contextlib.ExitStack() as undo:
        fds = []
        for path in paths:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            fds.append(os.open(path, flags))
            undo.callback(os.close, fds[-1])
            # An ordinary user's share of large pipes may be used up: the default size will do.
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(fds[-1], fcntl.F_SETPIPE_SZ, size_bytes)
        undo.pop_all()
        return tuple(fds)


def kill_children(spared: Iterable[int], cgroups: Iterable[str] = ()) -> int:
    """Kill this process's children but some and those in some cgroups; give how many were hit."""
    strangers = [
        pid
        for pid in set(children()).difference(spared)
        if not any(is_in_cgroup(pid, cgroup) for cgroup in cgroups)
    ]
    for pid in strangers:
        os.kill(pid, signal.SIGKILL)
    return len(strangers)


def boot_id() -> str:
    """Name this boot: pids and start times mean nothing in another."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def write_whole(path: str, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def notify(state: str) -> None:
    """Tell the service manager, if there is one. Source: sd_notify(3)."""
    if address := os.environ.get("NOTIFY_SOCKET", ""):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.sendto(state.encode(), address.replace("@", "\0", 1))


def fork(in_child: Callable[[], object], how: Callable[[], int] = os.fork) -> int:
    """Fork, and run a function in the child with all signals blocked; it ends with status 127."""
    mask = _signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        pid = how()
        if pid == 0:
            try:
                in_child()
            finally:
                os._exit(127)
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def place_fds(fds: Sequence[int]) -> None:
    """Move descriptors to 3, 4, ..., to be kept by an exec, and close all above."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in fds]
    for number, fd in enumerate(high, 3):
        os.dup2(fd, number)
    os.closerange(3 + len(fds), 1 << 30)


def execute(file: str, argv: list[str], env: dict[str, str]) -> None:
    """Execute a file, looked for in env's PATH, with no signal blocked, ignored or handled."""
    for number in _RESET:
        _signal.signal(number, _DEFAULT)
    _signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvpe(file, argv, env)  # noqa: S606 - no shell is what is meant


def start_program(argv: list[str], fds: Sequence[int], log_path: str, cwd: str = "") -> int:
    """Start a program in a session of its own with descriptors at 3, 4, ...; give its pid.

    What it writes is appended to a file; it does not hear of the service manager.

    Raises:
        OSError: No process is left.
    """

    def in_child() -> None:
        os.setsid()  # a Ctrl-C on the terminal is for the parent
        output = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number, fd in enumerate((os.open("/dev/null", os.O_RDONLY), output, output)):
            os.dup2(fd, number)
        place_fds(fds)
        if cwd:
            os.chdir(cwd)
        env = {name: text for name, text in os.environ.items() if name != "NOTIFY_SOCKET"}
        execute(argv[0], argv, env)

    return fork(in_child)


def receive_from(link: socket.socket) -> tuple[bytes, int]:
    """Take a message and its sender's pid as seen here, also out of another PID namespace.

    The socket has SO_PASSCRED set; the kernel vouches for the pid. Source: unix(7).
    """
    data, ancillary = link.recvmsg(4096, socket.CMSG_SPACE(12))[:2]
    return data, struct.unpack("3i", ancillary[0][2])[0] if data else 0


def reap(main: int, status_fd: int, *, is_init: bool) -> None:
    """Wait for a program and for orphans; pass signals on; end as the program ended.

    All signals have to be blocked. As PID 1 its exit ends everything in the namespace; as a
    subreaper it kills what is left. The exit status is the program's, 128 + n for signal n; the
    true wait status is written to `status_fd`. Does as little as it can: each page written here
    is memory for each instance.
    """
    while (status := _reap_dead(main)) is None:
        number = signal.sigwait(_AWAITED)
        with contextlib.suppress(ProcessLookupError):
            if number == KILL_ALL:
                os.kill(main, signal.SIGKILL)
            elif number in PASSED_ON:
                os.killpg(main, number)
    if not is_init:
        with contextlib.suppress(ChildProcessError):
            while True:  # the children of those that die become ours
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)
    with contextlib.suppress(OSError):
        os.write(status_fd, struct.pack("i", status))
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _reap_dead(main: int) -> int | None:
    """Reap all that are dead now; give the program's wait status once it is among them."""
    pid, status = -1, 0
    while pid not in (0, main):
        pid, status = os.waitpid(-1, os.WNOHANG)
    return status if pid == main else None
