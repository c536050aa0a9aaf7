"""What /proc/PID/status says of a process: its ids, capabilities and filters.

Source: proc_pid_status(5).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.kernel.syscalls import CAPABILITIES

SECCOMP_MODES = {0: "none", 1: "strict", 2: "filter"}


class Status(NamedTuple):
    """A process as /proc shows it.

    Attributes:
        uid, gid: Real, effective, saved and file system id.
        capabilities: Names by set: "effective", "permitted", "inheritable", "bounding", "ambient".
        seccomp: A key of `SECCOMP_MODES`, -1 where the kernel has no seccomp.
        filters: How many seccomp filters it has, -1 where the kernel does not say.
        ns_pids: Its pid in each PID namespace from ours down to its own.
    """

    name: str
    state: str
    parent: int
    threads: int
    uid: tuple[int, ...]
    gid: tuple[int, ...]
    groups: tuple[int, ...]
    capabilities: dict[str, tuple[str, ...]]
    no_new_privs: bool
    seccomp: int
    filters: int
    ns_pids: tuple[int, ...]


_SETS = {
    "CapEff": "effective",
    "CapPrm": "permitted",
    "CapInh": "inheritable",
    "CapBnd": "bounding",
    "CapAmb": "ambient",
}


def read_status(pid: int | str = "self") -> Status:
    """Read it.

    Raises:
        OSError: The process is gone.
    """
    text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    return parse_status(text)


def parse_status(text: str) -> Status:
    """Make sense of the file's text; lines of a newer kernel are passed over."""
    values = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return Status(
        name=values.get("Name", ""),
        state=values.get("State", "")[:1],
        parent=_number(values, "PPid"),
        threads=_number(values, "Threads"),
        uid=_numbers(values, "Uid"),
        gid=_numbers(values, "Gid"),
        groups=_numbers(values, "Groups"),
        capabilities={
            name: capability_names(int(values[key], 16))
            for key, name in _SETS.items()
            if key in values
        },
        no_new_privs=_number(values, "NoNewPrivs") == 1,
        seccomp=_number(values, "Seccomp", -1),
        filters=_number(values, "Seccomp_filters", -1),
        ns_pids=_numbers(values, "NSpid"),
    )


def capability_names(mask: int) -> tuple[str, ...]:
    """Name the capabilities of a mask; those newer than our list are called "cap_41"."""
    return tuple(
        CAPABILITIES[number] if number < len(CAPABILITIES) else f"cap_{number}"
        for number in range(mask.bit_length())
        if mask >> number & 1
    )


def _number(values: dict[str, str], key: str, default: int = 0) -> int:
    return int(values[key]) if key in values else default


def _numbers(values: dict[str, str], key: str) -> tuple[int, ...]:
    return tuple(map(int, values.get(key, "").split()))
