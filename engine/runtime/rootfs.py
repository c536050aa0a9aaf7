"""Files an instance sees in other places than the host does: mounts, and a root of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.hardening import Hardening
from engine.kernel.syscalls.covers import KERNELS
from engine.runtime.steps import Attach, EnterRoot, Take

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step

OWN = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - each instance has its own
"""Folders in memory of a root of its own, which everybody may write."""

_NAMES = ("/etc/resolv.conf", "/etc/hosts")
"""How the network is used: the host's, or what the way out brings."""


def taken(what: Launchable) -> list[Step]:
    """Take what is named, before anything is covered."""
    return [
        Take(each.source, each.target, "rw" if each.is_writable else "ro") for each in what.mounts
    ]


def attached(what: Launchable) -> list[Step]:
    """Let it be seen, once all is covered that is to be."""
    return [Attach()] if what.mounts else []


def root_steps(what: Launchable, beside: str = "") -> list[Step]:
    """Go over to the root of its own, with what was mounted for the instance and its folder.

    Args:
        what: Of the instance.
        beside: Where the root is to be attached instead: gVisor enters it, and brings its own
            /proc, /sys and /dev.
    """
    is_off = what.hardening.level is Hardening.OFF
    own = (what.own_dir,) if beside else (*KERNELS, what.own_dir)
    names = _NAMES if not what.network.is_own or what.way else ()
    return [
        *(Take(path, path, "rw") for path in own),
        *(Take(path, path) for path in names if os.path.isfile(path)),
        *taken(what),
        EnterRoot(what.rootfs, OWN, "rw" if is_off else "ro", beside),
    ]
