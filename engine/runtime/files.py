"""What an instance in isolation `namespace` sees of the host's files, as steps.

The host's system is there, read-only; homes, runtime folders, logs and the state of other
programs are covered by empty folders of its own, in which just what its service names is seen.
"""

from __future__ import annotations

import functools
import glob
import os
from typing import TYPE_CHECKING

from engine.core.hardening import Hardening
from engine.kernel import syscalls
from engine.runtime.links import follow, is_below, is_in
from engine.runtime.rootfs import attached, root_steps, taken
from engine.runtime.sight import (
    SYSTEM,
    found_paths,
    given_paths,
    is_engines,
    outermost,
    written_places,
)
from engine.runtime.steps import Hide, MakeDev, MakeDir, MakeReadOnly, Mask, MountStep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from engine.runtime.steps import Launchable, Step

PRIVATE = ("/tmp", "/dev/shm")  # noqa: S108 - these are what is hidden
"""Folders of the host that everybody may write; each instance has its own, in memory."""

STICKY = 0o1777

COVERED = {
    "/tmp": (STICKY, ""),  # noqa: S108 - as above
    "/var/tmp": (STICKY, ""),  # noqa: S108
    "/root": (0o755, ""),
    "/home": (0o755, ""),
    "/run": (0o755, "16m"),
    "/boot": (0o755, "64k"),
    "/var/lib": (0o755, "16m"),
    "/var/log": (0o755, "16m"),
    "/var/cache": (0o755, "16m"),
    "/var/spool": (0o755, "64k"),
    "/var/mail": (0o755, "64k"),
    "/var/backups": (0o755, "64k"),
    "/var/crash": (0o755, "64k"),
}
"""Folders an instance has its own of: permissions, and how much may be written there."""

_SHARED_STATE = ("/var/lib/ca-certificates",)
"""What belongs to the system although it lies in such a folder."""

_SECRET = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/krb5.keytab",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/letsencrypt",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/NetworkManager/system-connections",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/docker",
    "/etc/ssh/ssh_host_*_key",
)
"""What only root of the host may read: an instance with root's uid would be let in."""

_SECRET_AT_HOME = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".pgpass"),
    *(".git-credentials", ".config/gh", ".config/gcloud", ".config/ten", ".bash_history"),
)
"""The same in a home that is in sight as a whole, being the working directory."""

_PROC_READONLY = ("/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/driver")
_PROC_MASKED = (
    *("acpi", "asound", "scsi", "kcore", "keys", "key-users", "kmsg", "latency_stats"),
    *("timer_list", "sched_debug", "sysrq-trigger", "kpagecount", "kpageflags", "kpagecgroup"),
    *("vmallocinfo", "slabinfo", "pagetypeinfo", "iomem", "ioports", "interrupts", "config.gz"),
    *("diskstats", "partitions", "locks"),
)
"""What tells of the host's hardware, memory and other users, or lets root's uid command it."""

_SYS_KEPT = (
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
    "/sys/kernel/mm/hugepages",
)
"""What runtimes ask of the machine: processors, memory nodes, page sizes."""

_PROC_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


def file_steps(what: Launchable, *, is_rootless: bool) -> list[Step]:
    """Plan what is mounted, all in the instance's mount namespace."""
    proc = MountStep("proc", "/proc", "proc", _PROC_FLAGS)
    if what.rootfs:
        return [*_kernels(what, proc, (), (), is_rootless=is_rootless), *root_steps(what)]
    if what.hardening.level is Hardening.OFF:
        return [*taken(what), *_hide_private(what), proc, *attached(what)]
    places = _covered_places()
    hidden = {*places, "/dev", what.data_dir}
    given = given_paths(what, hidden)
    wanted = [*given, *found_paths(what, hidden)]
    return [
        *taken(what),
        *_protect_system(what, given, places),
        *_cover(what, wanted, places),
        *_kernels(what, proc, wanted, _secrets(what, wanted, places), is_rootless=is_rootless),
        *_hide_engine(what, wanted, places),
        *attached(what),
    ]


def _kernels(
    what: Launchable,
    proc: Step,
    wanted: Iterable[str],
    secrets: tuple[str, ...],
    *,
    is_rootless: bool,
) -> list[Step]:
    """Plan what the kernel shows: /dev, /proc and /sys, without what is not the instance's."""
    return [
        MakeDev("/dev", outermost("/dev", wanted), _pts_options(is_rootless=is_rootless)),
        proc,
        MakeReadOnly(_existing(_PROC_READONLY)),
        Mask((*_existing(_PROC_MASKED), *secrets)),
        Hide("/sys", _existing(_SYS_KEPT), 0o755, "64k"),
        MakeDir("/sys/fs/cgroup", 0o755),
        *([MountStep("cgroup2", "/sys/fs/cgroup", "cgroup2", _PROC_FLAGS)] if what.cgroup else []),
        MakeReadOnly(("/sys",)),
    ]


def _hide_private(what: Launchable) -> list[Step]:
    """Cover just what everybody may write, and the engine's own."""
    places = [place for place in map(os.path.realpath, PRIVATE) if os.path.isdir(place)]
    hidden = {*places, what.data_dir}
    wanted = [*given_paths(what, hidden), *found_paths(what, hidden)]
    covers = [Hide(each, outermost(each, (*wanted, what.own_dir)), STICKY) for each in places]
    return [*covers, *_hide_engine(what, wanted, places)]


@functools.cache
def _existing(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Give those of the kernel's paths that this kernel has; that does not change while it runs."""
    full = (path if path.startswith("/") else f"/proc/{path}" for path in paths)
    return tuple(filter(os.path.exists, full))


def _covered_places() -> dict[str, tuple[int, str]]:
    """Find what there is to cover, links resolved, none below another, with its options."""
    found: dict[str, tuple[int, str]] = {}
    resolved = {os.path.realpath(place): options for place, options in COVERED.items()}
    for place, options in sorted(resolved.items()):
        if os.path.isdir(place) and not any(is_below(place, other) for other in found):
            found[place] = options
    return found


def _protect_system(what: Launchable, given: Iterable[str], places: Iterable[str]) -> list[Step]:
    """Make all there is read-only but the instance's own folder and that of its socket.

    With "default" it may also write to its working directory and to what it is given in arguments
    and environment, if that is no part of the system.
    """
    writable, socket_dir = [what.own_dir], os.path.dirname(what.socket)
    is_hidden = any(is_below(f"{socket_dir}/", place) for place in (*places, what.data_dir))
    shared = [] if is_hidden or f"{socket_dir}/".startswith(SYSTEM) else [socket_dir]
    if what.hardening.level is not Hardening.STRICT:
        written = written_places(what, (*places, "/dev", what.data_dir))
        resolved = filter(None, (follow(path, written) for path in given))
        writable += [path for path in resolved if not f"{path}/".startswith(SYSTEM)]
        writable += [what.workdir]
    kept = outermost("/", {*writable, *shared} - {"/", *places})
    return [*(MakeDir(path, 0o755) for path in shared), MakeReadOnly(("/",), kept)]


def _cover(
    what: Launchable, wanted: list[str], places: Mapping[str, tuple[int, str]]
) -> list[Step]:
    """Cover the host's folders but those that are named themselves."""
    resolver = os.path.dirname(os.path.realpath("/etc/resolv.conf"))
    kept = [*wanted, what.own_dir, resolver, *filter(os.path.exists, _SHARED_STATE)]
    steps: list[Step] = []
    for place, (mode, size) in places.items():
        if mode == STICKY or place not in wanted:
            steps.append(Hide(place, outermost(place, kept), mode, size))
    home = what.env.get("HOME", "")
    if os.path.isdir(home) and any(is_below(os.path.realpath(home), each) for each in places):
        steps.append(MakeDir(os.path.realpath(home)))
    return steps


def _secrets(what: Launchable, wanted: list[str], places: Collection[str]) -> tuple[str, ...]:
    """Find what is to be masked: secrets there are, unless the service names them or in them."""
    found = [path for each in _SECRET for path in (glob.glob(each) if "*" in each else [each])]
    homes = [path for path in wanted if _is_home(path, places)]
    found += [os.path.join(home, name) for home in homes for name in _SECRET_AT_HOME]
    named = {*wanted, *what.argv, *what.named}
    return tuple(
        path
        for path in (*map(os.path.realpath, filter(os.path.lexists, found)), *what.secret)
        if os.path.exists(path) and not any(f"{each}/".startswith(f"{path}/") for each in named)
    )


def _is_home(path: str, places: Collection[str]) -> bool:
    """Tell whether a path is somebody's home, as a whole."""
    return path in places or os.path.dirname(path) == "/home"


def _pts_options(*, is_rootless: bool) -> str:
    """Terminals belong to the group tty, where that is mapped."""
    return "newinstance,ptmxmode=0666,mode=0620" + ("" if is_rootless else ",gid=5")


def _hide_engine(what: Launchable, wanted: list[str], places: Iterable[str]) -> list[Step]:
    """Hide the data directory but the instance's own, and the API's socket where it lies apart."""
    siblings = (os.path.dirname(what.own_dir),)
    own = [each for each in wanted if not is_engines(each, what.data_dir)]
    own = [each for each in own if not is_in(each, siblings)]
    socket_dir = _short_dir(what.data_dir, places)
    return [
        *([Hide(socket_dir)] if socket_dir else []),
        Hide(what.data_dir, outermost(what.data_dir, (*own, what.own_dir))),
    ]


def _short_dir(data_dir: str, places: Iterable[str]) -> str:
    """Find the folder outside where the engine's API listens; "" where its path is not too long.

    Whoever has root's uid and reaches that socket is taken for root.
    """
    path = os.path.join(data_dir, "run", "ten.sock")
    folder = os.path.dirname(os.path.realpath(path))
    is_covered = any(is_below(folder, place) for place in (*places, data_dir))
    return folder if os.path.isdir(folder) and not is_covered else ""
