"""Makes an instance's own folder read-only for it, or writable again, while it runs.

`python -m engine.runtime.readonly PID FOLDER ro|rw`, a program of its own: entering another mount
namespace is for processes with one thread. What it did goes to stdout: "ro", "rw", or "covered"
where files open for writing forbid to change the mount itself: then a read-only copy of it is
laid over, and what is open can still be written until it is closed.

Source: setns(2), mount_setattr(2), open_tree(2), move_mount(2).
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys

from engine.kernel import syscalls
from engine.kernel.mounts import Mount, read_mounts

SECONDS = 10.0
"""A change that takes longer has failed."""


def change(pid: int, folder: str, *, is_readonly: bool) -> str:
    """Have it done in a program of its own; takes about 0.1 s.

    Returns: "ro", "rw" or "covered".

    Raises:
        OSError: It cannot be done; the text says why.
    """
    how = "ro" if is_readonly else "rw"
    command = [sys.executable, "-P", "-m", "engine.runtime.readonly", str(pid), folder, how]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.SubprocessError as error:
        raise OSError(errno.ETIMEDOUT, str(error), folder) from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(errno.EIO, last or f"it ended with {done.returncode}", folder)
    return done.stdout.decode().strip()


def covers_at(mounts: list[Mount], folder: str) -> int:
    """Count what lies over the mount at a folder: mounts there whose parent is there as well."""
    here = {each.id for each in mounts if each.target == folder}
    return sum(each.parent in here for each in mounts if each.target == folder)


def enter(pid: int) -> list[Mount]:
    """Enter the mount namespace of a process, by way of its user namespace if it has its own.

    Returns: what is mounted there. It is read before: /proc there shows only the
    processes of its own namespace, and this one is none of them.

    Raises:
        OSError: It is gone, or not ours.
    """
    pidfd = os.pidfd_open(pid)
    try:
        mounts = read_mounts(pid)
        flags = syscalls.CLONE_NEWNS
        if os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):
            flags |= syscalls.CLONE_NEWUSER
        syscalls.setns(pidfd, flags)
    finally:
        os.close(pidfd)
    return mounts


def make_readonly(folder: str, mounts: list[Mount]) -> str:
    """Make what is mounted at a folder read-only; say how: "ro" or "covered".

    Raises:
        OSError: The kernel refuses it, or nothing is mounted there (EINVAL).
    """
    if not any(each.target == folder for each in mounts):
        raise OSError(errno.EINVAL, "is no mount of its own", folder)
    try:
        syscalls.set_readonly(folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    else:
        return "ro"
    if covers_at(mounts, folder):
        return "covered"
    tree = syscalls.open_tree(folder)
    syscalls.set_readonly("", tree)
    syscalls.move_mount(tree, folder)
    return "covered"


def make_writable(folder: str, mounts: list[Mount]) -> str:
    """Undo `make_readonly`, in whichever way it was done.

    Raises:
        OSError: The kernel refuses it.
    """
    for _ in range(covers_at(mounts, folder)):
        syscalls.umount2(folder, syscalls.MNT_DETACH)
    syscalls.set_readonly(folder, is_readonly=False)
    return "rw"


def main() -> int:
    """Do it; give the exit code."""
    pid, folder, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        mounts = enter(pid)
        done = (make_readonly if how == "ro" else make_writable)(folder, mounts)
    except OSError as error:
        sys.stderr.write(f"{folder}: {os.strerror(error.errno or 0)}\n")
        return 1
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
