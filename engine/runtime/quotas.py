"""Whether the data directory's file system keeps project quotas, and what would make it."""

from __future__ import annotations

import errno
import os

from engine.kernel import project_quota
from engine.kernel.mounts import Mount, mount_of, read_mounts

_KINDS = frozenset({"ext4", "xfs", "f2fs"})
_OPTIONS = frozenset({"prjquota", "pquota"})


def find_mount(path: str) -> Mount | None:
    """Find the mount of a path, or of the nearest folder above it that is there."""
    return mount_of(nearest(path), read_mounts())


def nearest(path: str) -> str:
    """Give the nearest folder above that is there."""
    while not os.path.isdir(path) and path != "/":
        path = os.path.dirname(path)
    return path or "/"


def why_none(data_dir: str) -> tuple[str, str]:
    """Say why no folder there can have a limit, and what helps; ("", "") where it can."""
    mount = find_mount(data_dir)
    if mount is None or mount.fstype not in _KINDS:
        kind = mount.fstype if mount else "this file system"
        return f"{kind} has no project quotas", "put data_dir on ext4 or xfs, mounted with prjquota"
    fix = f"mount -o prjquota {mount.source} {mount.target}"
    if mount.fstype == "ext4":
        fix = f"tune2fs -O project,quota {mount.source} while it is unmounted, then {fix}"
    if not mount.super_options & _OPTIONS:
        return f"{mount.target} is mounted without prjquota", fix
    try:
        project_quota.try_out(nearest(data_dir))
    except OSError as error:
        if error.errno == errno.EPERM:
            return "only root may set project quotas", "run ten serve as root"
        if error.errno == errno.ENOSYS:
            return "this kernel is too old to be asked for quotas", "boot Linux 5.14 or later"
        return f"the quotas of {mount.target} are off: {os.strerror(error.errno or 0)}", fix
    return "", ""
