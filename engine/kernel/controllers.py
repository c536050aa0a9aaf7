"""Which cgroup controllers this host gives us, and why one is missing.

Source: Documentation/admin-guide/cgroup-v2.rst, "Controlling Controllers"; systemd, "Control
Group APIs and Delegation"; proc_cgroups(5) in cgroups(7).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from engine.kernel.cgroup import CONTROLLERS, CgroupTree, find_tree, tree_root
from engine.kernel.mounts import read_mounts

_V1_NAMES = {"io": "blkio"}
_BOOT_V2 = "boot with the kernel parameters systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all"
_DELEGATE = "give the unit of ten Delegate=yes (systemctl edit), then restart it"
_SCOPE = "run as root, or: systemd-run --user --scope -p Delegate=yes ten serve"


class Missing(NamedTuple):
    """Why a controller is not there.

    Attributes:
        reason: In plain words.
        fix: The line that mends it.
    """

    reason: str
    fix: str


class Survey(NamedTuple):
    """What there is.

    Attributes:
        tree: The folder below which instances get their cgroups, "" where there is none.
        usable: Controllers that limits can use.
        missing: The others.
    """

    tree: str
    usable: frozenset[str]
    missing: dict[str, Missing]


def survey() -> Survey:
    """Look at this host, for this user, without changing anything."""
    root, tree = tree_root(), find_tree()
    known = _known_to_v1()
    missing = {}
    for controller in CONTROLLERS:
        if found := _why_missing(controller, root, tree, known):
            missing[controller] = found
    usable = frozenset(CONTROLLERS).difference(missing)
    return Survey(tree.path if tree else "", usable, missing)


def _why_missing(
    controller: str, root: str, tree: CgroupTree | None, known: dict[str, tuple[int, bool]]
) -> Missing | None:
    if not root:
        return _no_v2()
    if controller not in _words(f"{root}/cgroup.controllers"):
        return _not_in_root(controller, root, known)
    if tree is None:
        if os.geteuid() == 0:
            fix = "mount it writable; in a container: its own cgroup namespace, /sys/fs/cgroup rw"
            return Missing(f"{root} may not be written", fix)
        return Missing("no part of the cgroup tree is delegated to this user", _SCOPE)
    if controller not in tree.controllers:
        return Missing(f"the {controller} controller is not delegated to {tree.path}", _DELEGATE)
    if _is_crowded(tree.path) and controller not in _words(f"{tree.path}/cgroup.subtree_control"):
        reason = f"other processes live in {tree.path}, so it cannot give out controllers"
        return Missing(reason, "start ten in a unit or scope of its own: " + _DELEGATE)
    return None


def _no_v2() -> Missing:
    if any(each.fstype == "cgroup" for each in read_mounts()):
        return Missing("this host has cgroup v1 only", _BOOT_V2)
    return Missing("no cgroup v2 tree is mounted", "mount -t cgroup2 none /sys/fs/cgroup")


def _not_in_root(controller: str, root: str, known: dict[str, tuple[int, bool]]) -> Missing:
    hierarchy, is_enabled = known.get(_V1_NAMES.get(controller, controller), (0, True))
    if hierarchy:
        reason = f"the {controller} controller is bound to cgroup v1 (a hybrid host)"
        return Missing(reason, _BOOT_V2)
    if not is_enabled:
        fix = f"boot with the kernel parameter cgroup_enable={controller}"
        return Missing(f"the {controller} controller is switched off at boot", fix)
    if os.path.exists(f"{root}/cgroup.type"):
        fix = "have the container's manager delegate it"
        return Missing(f"this container is not given the {controller} controller", fix)
    return Missing(f"this kernel has no {controller} controller", "use a distribution's kernel")


def _known_to_v1() -> dict[str, tuple[int, bool]]:
    """Give for each controller its v1 hierarchy (0: none) and whether it is enabled."""
    try:
        lines = Path("/proc/cgroups").read_text().splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {row[0]: (int(row[1]), row[3] == "1") for row in rows if len(row) == 4}


def _is_crowded(path: str) -> bool:
    """Tell whether somebody else lives in a cgroup that is not the root of all."""
    if not os.path.exists(f"{path}/cgroup.type"):
        return False
    return bool(set(_words(f"{path}/cgroup.procs")) - {str(os.getpid())})


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_text().split()
    except OSError:
        return []
