"""The file system of the data directory, and limits on files."""

from __future__ import annotations

import errno
import os
import resource
import tempfile

from engine.core.spec import StorageAction
from engine.kernel.features import inotify_errno, setting
from engine.runtime.doctor.scope import ALWAYS, Said, Scope, no, partly, size, yes
from engine.runtime.quotas import find_mount, nearest, why_none

_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs")
_LEAST_FREE_BYTES = 1 << 30
_LEAST_FREE_SHARE = 0.05
_FILES_AN_INSTANCE = 8
"""Descriptors the keeper and the engine hold for each: pidfd, pipes, log segments, cgroup files."""

_FILES_OF_OURS = 256


def data_dir(scope: Scope) -> Said:
    """Whether the data directory can be written, and on what it lies."""
    folder = nearest(scope.data_dir)
    mount = find_mount(folder)
    kind = mount.fstype if mount else "unknown"
    detail = f"{scope.data_dir} ({kind})"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        fix = f"give this user {folder}, or name another with --data-dir"
        why = f"{folder}: {error.strerror}"
        return no(why, fix, detail=detail, needed_by=("settings.data_dir",))
    if kind.startswith(_REMOTE):
        why = "a file system of another machine: locks and SQLite's WAL are not safe there"
        return partly(why, "put data_dir on a local disk", detail=detail)
    if kind == "tmpfs":
        return partly("in memory: gone after a reboot", "put data_dir on a disk", detail=detail)
    return yes(detail)


def space(scope: Scope) -> Said:
    """Room for logs, state and the tenants' data."""
    found = os.statvfs(nearest(scope.data_dir))
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    detail = f"{size(free)} of {size(total)} are free"
    if free < _LEAST_FREE_BYTES or free < total * _LEAST_FREE_SHARE:
        return partly("logs and state may soon find no room", "free some space", detail=detail)
    if found.f_files and found.f_favail < found.f_files * _LEAST_FREE_SHARE:
        return partly("less than 5 percent of the inodes are free", "remove files", detail=detail)
    return yes(detail)


def quotas(scope: Scope) -> Said:
    """Usage of a folder known without walking through it, and limited for sure."""
    why, fix = why_none(scope.data_dir)
    services = scope.config.services.items() if scope.config else ()
    asking = [name for name, spec in services if spec.storage_action is StorageAction.HARD]
    needed = tuple(f"service.{name}.storage_action" for name in asking)
    if why:
        why = f"{why}: what instances store is measured by walking their folders"
        return no(why, fix, needed_by=needed)
    found = find_mount(scope.data_dir)
    return yes(f"{found.fstype} on {found.target}" if found else "")


def inotify(_: Scope) -> Said:
    """Files watched for changes: the configuration, and logs."""
    most = setting("fs.inotify.max_user_instances")
    detail = f"{most} instances, {setting('fs.inotify.max_user_watches')} watches for each user"
    number = inotify_errno()
    if number:
        why = f"{os.strerror(number)}: changes of the configuration are seen by looking"
        fix = "sysctl -w fs.inotify.max_user_instances=1024"
        return no(why, fix if number == errno.EMFILE else "", detail=detail)
    return yes(detail)


def open_files(scope: Scope) -> Said:
    """How many descriptors one process of ours may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    services = scope.config.services.values() if scope.config else ()
    wanted = _FILES_OF_OURS + sum(_FILES_AN_INSTANCE * each.max_instances for each in services)
    detail = f"{soft}, at most {_count(hard)}"
    if hard != resource.RLIM_INFINITY and hard < wanted:
        why = f"{wanted} may be wanted with every instance running"
        fix = f"ulimit -Hn {wanted} before ten serve, or LimitNOFILE={wanted} in its unit"
        return partly(why, fix, detail=detail)
    return yes(detail)


def processes(scope: Scope) -> Said:
    """How many processes this user may have."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    declared = len(scope.config.instances) if scope.config else 0
    if os.geteuid() != 0 and hard != resource.RLIM_INFINITY and hard < 64 + 4 * declared:
        fix = "raise nproc in /etc/security/limits.conf"
        return no(f"{hard} are few", fix, detail=_count(hard), needed_by=ALWAYS)
    return yes(_count(hard))


def _count(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)
