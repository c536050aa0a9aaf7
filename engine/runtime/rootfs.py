"""Files an instance sees in other places than the host does: mounts, and a root of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing
from engine.core.hardening import Hardening
from engine.kernel.syscalls.covers import KERNELS
from engine.runtime.links import follow
from engine.runtime.sight import why_engines, written_places
from engine.runtime.steps import Attach, EnterRoot, Take

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step

OWN = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - each instance has its own
"""Folders in memory of a root of its own, which everybody may write."""

_NAMES = ("/etc/resolv.conf", "/etc/hosts")
"""How the network is used: the host's, or what the way out brings."""


def taken(what: Launchable) -> list[Step]:
    """Take what is named, before anything is covered.

    Raises:
        FeatureMissing: A source leads through a link where an instance writes, or to the engine's
            own.
    """
    return [
        Take(_source(what, each.source), each.target, "rw" if each.is_writable else "ro")
        for each in what.mounts
    ]


def _source(what: Launchable, path: str) -> str:
    """Resolve a path of the configuration: it is the host's, whoever wrote below it since."""
    found = follow(path, written_places(what))
    if reason := why_engines(found, what.data_dir) if found else _CLOSED:
        raise FeatureMissing(f"{what.name}: {path} {reason}", hint=_NAME_IT)
    return found


def attached(what: Launchable) -> list[Step]:
    """Let it be seen, once all is covered that is to be."""
    return [Attach()] if what.mounts else []


_CLOSED = "leads through a link in a folder that instances write to"
_NAME_IT = "name the place itself, without links, or move it out of what an instance writes"


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
        *(Take(os.path.realpath(path), path) for path in names if os.path.isfile(path)),
        *taken(what),
        EnterRoot(_source(what, what.rootfs), OWN, "rw" if is_off else "ro", beside),
    ]
