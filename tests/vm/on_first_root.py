"""Run a program with the root of the initramfs for its root, the host's folders bound into it.

Usage: on_first_root.py PROGRAM ARGUMENT... As the machine of somebody who boots an initramfs and
never leaves it. PID 1 did not: the namespace it is in is copied.
"""

import os
import sys

from engine.kernel import syscalls

HOST = "/new"
"""Where `init` mounts the host's tree."""


def bind(name: str) -> None:
    """Let a folder of the host be seen where it is seen by everybody else."""
    if not os.path.isdir(f"{HOST}/{name}"):
        return
    os.makedirs(f"/{name}", exist_ok=True)
    syscalls.mount(f"{HOST}/{name}", f"/{name}", "", syscalls.MS_BIND | syscalls.MS_REC)


def main() -> None:
    folder = os.getcwd()
    with open("/proc/1/ns/mnt") as file:
        syscalls.setns(file.fileno(), syscalls.CLONE_NEWNS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    for name in sorted(os.listdir(HOST)):
        bind(name)
    for name in (HOST, "/host", "/top"):  # where all of it would be seen once more
        syscalls.umount2(name, syscalls.MNT_DETACH)
    os.chdir(folder)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
