"""What was planned for an instance, and beside it what its process really has.

The records go over the API as they are. Reading is `engine.kernel.inspection`, comparing
`engine.core.plan_check`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PlanFrom(StrEnum):
    """Where a plan is from."""

    LAUNCH = "launch"
    """It is the one that was carried out."""

    REBUILT = "rebuilt"
    """That one was lost: it was made anew from the configuration in force."""

    CONFIGURATION = "configuration"
    """Nothing runs: it is what a start would do now."""


class StepFact(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the plan, and what is seen of it in the live process.

    Attributes:
        text: As plans print it, for example "mount proc on /proc".
        seen: "" where nothing runs or nothing of it can be seen.
        is_off: The process has not what the step was to bring about.
    """

    text: str
    seen: str = ""
    is_off: bool = False


class NamespaceFact(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace of the process.

    Attributes:
        kind: As in /proc/PID/ns: "mnt", "pid", ...
        inode: Its number, 0 where it may not be read.
        is_own: It is not the engine's.
    """

    kind: str
    inode: int
    is_own: bool


class MountFact(msgspec.Struct, frozen=True, kw_only=True):
    """A mount that differs from what the engine sees at the same place.

    Attributes:
        change: "new", "changed" or "gone".
    """

    target: str
    change: str
    fstype: str = ""
    source: str = ""
    options: str = ""


class ProcessFact(msgspec.Struct, frozen=True, kw_only=True):
    """One of its processes.

    Attributes:
        inner_pid: Its pid in its own PID namespace.
        state: A letter as in proc_pid_stat(5).
    """

    pid: int
    name: str
    state: str = ""
    uid: int = 0
    inner_pid: int = 0


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel says of a running instance.

    Attributes:
        pid: The process that stands for it: the program, its PID 1 or its reaper.
        main_pid: The program, of which all else here is.
        runtime: "process", "namespace", or "gVisor" with its platform.
        addresses: Of IPv4, of its network where that is its own.
        uid, gid: Real, effective, saved, file system.
        user: Name of the effective uid, "" where it has none.
        capabilities: Names by set: effective, permitted, inheritable, bounding, ambient.
        seccomp: "none", "strict", "filter" or "not in this kernel".
        filters: How many seccomp filters, -1 where that is not told.
        mounts: Those that differ from the engine's.
        cgroup: Its folder, "" where it has none.
        limits: Files of the cgroup that limit, with what they say.
        usage: Files of the cgroup that count; without its memory, figures of the processes too.
        rlimits: Soft and hard limit as ulimit shows them, by name.
        environment: Names only: values may be secrets.
        unread: What could not be read, and why.
    """

    pid: int
    main_pid: int
    runtime: str
    program: str = ""
    workdir: str = ""
    namespaces: tuple[NamespaceFact, ...] = ()
    addresses: tuple[str, ...] = ()
    uid: tuple[int, ...] = ()
    gid: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    user: str = ""
    capabilities: dict[str, tuple[str, ...]] = {}
    no_new_privs: bool = False
    seccomp: str = ""
    filters: int = -1
    mounts: tuple[MountFact, ...] = ()
    cgroup: str = ""
    limits: dict[str, str] = {}
    usage: dict[str, str] = {}
    rlimits: dict[str, tuple[str, str]] = {}
    processes: tuple[ProcessFact, ...] = ()
    environment: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """A path as the process sees it.

    Attributes:
        is_there: None where that may not be looked at.
        fstype: Of the mount it lies on.
        is_mount: Something is mounted right there.
    """

    is_there: bool | None
    fstype: str
    is_mount: bool
    is_readonly: bool


class LimitFact(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that is asked for, and what the cgroup says; "" where it has no such file."""

    file: str
    wanted: str
    found: str

    @property
    def is_off(self) -> bool:
        """Whether it does not hold."""
        return self.found.partition("\n")[0] != self.wanted


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """One instance, planned and live.

    Attributes:
        live: None where nothing runs.
        environment: Names it is given by the plan.
        mismatches: One line each: what the process has not as it was planned.
    """

    name: str
    state: str
    isolation: str
    plan_from: PlanFrom
    steps: tuple[StepFact, ...]
    environment: tuple[str, ...] = ()
    live: Live | None = None
    limits: tuple[LimitFact, ...] = ()
    mismatches: tuple[str, ...] = ()
