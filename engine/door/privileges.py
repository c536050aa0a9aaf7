"""Giving up what a door does not need, once its files are open and its modules imported."""

from __future__ import annotations

import errno
import os
import resource
import signal

from engine.kernel import syscalls


def raise_open_files() -> None:
    """Take as many descriptors as the hard limit allows: each connection is one or two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def drop(uid: int | None) -> None:
    """Become that user, without groups, capabilities or a way to gain any.

    Args:
        uid: Who to become where this is root; None: stay who we are.

    Raises:
        OSError: The kernel refuses: a door does not run with more than it should have.
    """
    if uid is not None and os.geteuid() == 0:
        _drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    syscalls.set_no_new_privs()
    syscalls.drop_capabilities()


def _drop_bounding_set() -> None:
    """Do this while it is still allowed: changing the user takes the right to do it away."""
    for number in range(len(syscalls.CAPABILITIES)):
        try:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
        except OSError as error:
            # EINVAL: a capability this kernel does not know. EPERM: a root without CAP_SETPCAP.
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise


def die_with(parent: int) -> bool:
    """Ask to be killed when the parent dies; tell whether it still lives.

    After the change of user: the kernel forgets the wish with it.
    """
    return syscalls.set_pdeathsig(signal.SIGKILL, parent)
