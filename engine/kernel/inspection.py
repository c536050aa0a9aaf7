"""What the kernel says of a running process, all of it, for `ten inspect`.

Read from /proc and the cgroup; nothing is changed, nothing is asked of the program.
"""

from __future__ import annotations

import itertools
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.inspection import Live, MountFact, NamespaceFact, Place, ProcessFact
from engine.kernel.mounts import Mount, Tree, read_mounts
from engine.kernel.procfs import descendants, tree_figures
from engine.kernel.status import SECCOMP_MODES, read_status

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

MAX_PROCESSES = 200
"""More of one instance are not listed."""

MAX_MOUNTS = 400

_LIMITS = [
    "memory.max",
    "memory.high",
    "memory.swap.max",
    "memory.oom.group",
    "cpu.weight",
    "cpu.max",
    "pids.max",
    "io.weight",
    "io.max",
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cgroup.freeze",
]
_USAGE = [
    "memory.current",
    "memory.peak",
    "memory.swap.current",
    "memory.events",
    "cpu.stat",
    "pids.current",
    "pids.peak",
    "io.stat",
    "cgroup.events",
]
_LIMIT_NAME = 26
"""Width of the first column of /proc/PID/limits."""

_RLIMITS = {
    "Max address space": "as",
    "Max core file size": "core",
    "Max cpu time": "cpu",
    "Max data size": "data",
    "Max file size": "fsize",
    "Max locked memory": "memlock",
    "Max msgqueue size": "msgqueue",
    "Max nice priority": "nice",
    "Max open files": "nofile",
    "Max processes": "nproc",
    "Max resident set": "rss",
    "Max realtime priority": "rtprio",
    "Max realtime timeout": "rttime",
    "Max pending signals": "sigpending",
    "Max stack size": "stack",
}
"""Its lines by the names of setrlimit(2)."""


def read_live(pid: int, main_pid: int, *, cgroup: str, isolation: str) -> Live:
    """Read everything about a running instance.

    Args:
        pid: The process that stands for it.
        main_pid: Its program.
        cgroup: Folder of its cgroup, "" where it has none.
        isolation: As it was launched with.

    Raises:
        OSError: It is gone.
    """
    status = read_status(main_pid)
    unread: list[str] = []
    processes = _processes(pid, cgroup)
    environment = _environment(main_pid, unread)
    namespaces = _namespaces(main_pid, unread)
    has_network = any(each.kind == "net" and each.is_own for each in namespaces)
    return Live(
        pid=pid,
        main_pid=main_pid,
        runtime=_runtime(isolation, processes),
        program=_link(main_pid, "exe", unread),
        workdir=_link(main_pid, "cwd", unread),
        namespaces=namespaces,
        addresses=_addresses(main_pid) if has_network else (),
        uid=status.uid,
        gid=status.gid,
        groups=status.groups,
        user=_user_name(status.uid[1]),
        capabilities=status.capabilities,
        no_new_privs=status.no_new_privs,
        seccomp=SECCOMP_MODES.get(status.seccomp, "not in this kernel"),
        filters=status.filters,
        mounts=_mounts(main_pid),
        cgroup=cgroup if cgroup and _is_in(main_pid, cgroup) else "",
        limits=_files(cgroup, _LIMITS),
        usage=_usage(pid, cgroup),
        rlimits=_rlimits(main_pid, unread),
        processes=processes,
        environment=environment,
        unread=tuple(unread),
    )


def read_places(pid: int, paths: Iterable[str]) -> dict[str, Place]:
    """Look at paths as a process sees them.

    Raises:
        OSError: It is gone.
    """
    tree = Tree(read_mounts(pid))
    return {path: _place(pid, path, tree.find(path)) for path in paths}


def _place(pid: int, path: str, mount: Mount | None) -> Place:
    return Place(
        is_there=_is_there(f"/proc/{pid}/root{path}"),
        fstype=mount.fstype if mount else "",
        is_mount=mount is not None and mount.target == path,
        is_readonly=mount is not None and "ro" in mount.options | mount.super_options,
    )


def _is_there(path: str) -> bool | None:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True


def _namespaces(pid: int, unread: list[str]) -> tuple[NamespaceFact, ...]:
    found = []
    for kind in NAMESPACES:
        try:
            ours = os.stat(f"/proc/self/ns/{kind}").st_ino
        except OSError:
            continue  # a kernel without them
        try:
            theirs = os.stat(f"/proc/{pid}/ns/{kind}").st_ino
        except OSError as error:
            unread.append(f"ns/{kind}: {error.strerror}")
            theirs = 0
        is_own = theirs not in (0, ours)
        found.append(NamespaceFact(kind=kind, inode=theirs, is_own=is_own))
    return tuple(found)


def _addresses(pid: int) -> tuple[str, ...]:
    """Find the addresses of IPv4 in the table that says what is for the process's own network.

    Source: net/ipv4/fib_trie.c: a line with the address is followed by "/32 host LOCAL".
    """
    lines = [line.split() for line in _read(f"/proc/{pid}/net/fib_trie").splitlines()]
    found = (
        before[-1]
        for before, line in itertools.pairwise(lines)
        if line == ["/32", "host", "LOCAL"] and before
    )
    return tuple(dict.fromkeys(found))


def _mounts(pid: int) -> tuple[MountFact, ...]:
    """List what is mounted otherwise than for the engine; what is covered does not count."""
    ours, theirs = _visible("self"), _visible(pid)
    facts = []
    for target, mount in theirs.items():
        before = ours.get(target)
        if before is None or _essence(before) != _essence(mount):
            facts.append(_mount_fact(mount, "new" if before is None else "changed"))
    facts += [_mount_fact(ours[target], "gone") for target in ours.keys() - theirs.keys()]
    return tuple(sorted(facts, key=lambda each: each.target)[:MAX_MOUNTS])


def _visible(pid: int | str) -> dict[str, Mount]:
    mounts = read_mounts(pid)
    tree = Tree(mounts)
    return {each.target: each for each in mounts if tree.find(each.target) is each}


def _essence(mount: Mount) -> tuple[object, ...]:
    # A super block's own state (errors, size) is not the mount's; "ro" is what matters of it.
    is_readonly = "ro" in mount.options or "ro" in mount.super_options
    flags = mount.options & {"nosuid", "nodev", "noexec"}
    return mount.fstype, mount.root, mount.source, is_readonly, flags


def _mount_fact(mount: Mount, change: str) -> MountFact:
    root = "" if mount.root == "/" else f"[{mount.root}]"
    return MountFact(
        target=_printable(mount.target),
        change=change,
        fstype=mount.fstype,
        source=_printable(f"{mount.source}{root}"),
        options=",".join(sorted(mount.options)),
    )


def _processes(pid: int, cgroup: str) -> tuple[ProcessFact, ...]:
    pids = {pid, *(_members(cgroup) if cgroup else descendants([pid])[pid])}
    facts = []
    for each in sorted(pids)[:MAX_PROCESSES]:
        try:
            status = read_status(each)
        except OSError:
            continue  # it ended meanwhile
        facts.append(
            ProcessFact(
                pid=each,
                name=_printable(status.name),
                state=status.state,
                uid=status.uid[1] if len(status.uid) > 1 else 0,
                inner_pid=status.ns_pids[-1] if status.ns_pids else each,
            )
        )
    return tuple(facts)


def _members(cgroup: str) -> list[int]:
    """List the processes of a cgroup and of those below it."""
    found: list[int] = []
    for folder, _, _ in os.walk(cgroup):
        found += map(int, _read(f"{folder}/cgroup.procs").split())
    return found


def _runtime(isolation: str, processes: tuple[ProcessFact, ...]) -> str:
    """Name the runtime; of gVisor the platform, which its sandbox process was started with."""
    if isolation != "sandbox":
        return isolation
    for each in processes:
        words = _read(f"/proc/{each.pid}/cmdline").split("\0")
        for word in words:
            if word.startswith(("--platform=", "-platform=")):
                return f"gVisor, platform {word.partition('=')[2]}"
    return "gVisor"


def _environment(pid: int, unread: list[str]) -> tuple[str, ...]:
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError as error:
        unread.append(f"environ: {error.strerror}")
        return ()
    names = (each.partition(b"=")[0].decode(errors="replace") for each in data.split(b"\0"))
    return tuple(sorted({_printable(name) for name in names if name}))


def _rlimits(pid: int, unread: list[str]) -> dict[str, tuple[str, str]]:
    """Read /proc/PID/limits, which root may read of everybody: prlimit(2) needs sys_resource."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError as error:
        unread.append(f"limits: {error.strerror}")
        return {}
    names = {line[:_LIMIT_NAME].strip(): line[_LIMIT_NAME:].split() for line in lines}
    return {
        short: (values[0], values[1])
        for name, short in _RLIMITS.items()
        if len(values := names.get(name, [])) > 1
    }


def _usage(pid: int, cgroup: str) -> dict[str, str]:
    """Read what the cgroup counts, and figures of the processes where it does not count memory."""
    counted = _files(cgroup, _USAGE)
    return counted if "memory.current" in counted else counted | _figures(pid)


def _figures(pid: int) -> dict[str, str]:
    found = tree_figures([pid])[pid]
    return {
        "resident": str(found.rss_bytes),
        "cpu seconds": f"{found.cpu_seconds:.2f}",
        "processes": str(found.pids),
    }


def _files(cgroup: str, names: list[str]) -> dict[str, str]:
    if not cgroup:
        return {}
    texts = {name: _read(f"{cgroup}/{name}").strip() for name in names}
    return {name: text for name, text in texts.items() if text}


def _is_in(pid: int, cgroup: str) -> bool:
    """Tell whether a process is in a cgroup or below it."""
    return pid in _members(cgroup)


def _link(pid: int, name: str, unread: list[str]) -> str:
    try:
        return _printable(os.readlink(f"/proc/{pid}/{name}"))
    except OSError as error:
        unread.append(f"{name}: {error.strerror}")
        return ""


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _printable(text: str) -> str:
    """A path or a name may hold any byte, also half of a character."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
