"""clone3(2): a fork straight into new namespaces and a cgroup."""

import ctypes
import os
import signal
import struct

from engine.kernel.syscalls import CLONE_NEWCGROUP, NAMESPACES, KernelError

CLONE_INTO_CGROUP = 0x200000000
_SYS_CLONE3 = 435

# Keeps the interpreter's lock over the call: the child goes on as its only thread, holding it.
_libc = ctypes.PyDLL(None, use_errno=True)
_python = ctypes.pythonapi
for _name in ("PyOS_BeforeFork", "PyOS_AfterFork_Parent", "PyOS_AfterFork_Child"):
    getattr(_python, _name).restype = None


def clone(flags: int, cgroup: str = "") -> int:
    """Fork into new namespaces, as PID 1 where one of them is for pids, and into a cgroup.

    Being born in a cgroup is much cheaper than moving there: a move waits for a grace period of
    the whole machine, often 10 ms. Only for a process with one thread: what locks others hold
    would stay locked in the child.

    Returns: 0 in the child. Source: clone(2); Linux 5.7.

    Raises:
        KernelError: ENOSYS or EPERM also where a container's filter forbids it.
    """
    fd = os.open(cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if cgroup else -1
    flags |= CLONE_INTO_CGROUP if cgroup else 0
    # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size,
    # tls, set_tid, set_tid_size, cgroup.
    arguments = struct.pack("11Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, max(fd, 0))
    _python.PyOS_BeforeFork()
    pid: int = _libc.syscall(_SYS_CLONE3, arguments, ctypes.c_size_t(len(arguments)))
    error = ctypes.get_errno()
    if pid == 0:
        _python.PyOS_AfterFork_Child()
    else:
        _python.PyOS_AfterFork_Parent()
    if fd >= 0:
        os.close(fd)
    if pid < 0:
        raise KernelError(error, "clone3", cgroup)
    return pid


def fuse(plan: list[list[object]]) -> tuple[list[list[object]], int, str]:
    """Find what one clone can do of a plan that begins: [cgroup], [unshare, [idmap], fork].

    Returns: the plan with those steps emptied, which the child carries out; the clone's flags;
    the path of the cgroup. The cgroup namespace is left to the child: it shall begin where the
    child was born.
    """
    left, flags, cgroup, at = list(plan), 0, "", 0
    if plan[0][0] == "cgroup" and isinstance(plan[0][1], str):
        cgroup, left[0], at = plan[0][1], [], 1
    fork_at = at + 2 if plan[at + 1 :] and plan[at + 1][0] == "idmap" else at + 1
    if plan[at][0] == "unshare" and plan[fork_at][0] == "fork":
        names = plan[at][1]
        if isinstance(names, list) and NAMESPACES.keys() >= set(names):
            flags = sum(NAMESPACES[name] for name in set(names)) & ~CLONE_NEWCGROUP
            left[at] = ["unshare", ["cgroup"]] if "cgroup" in names else []
            left[fork_at] = []
    return left, flags, cgroup
