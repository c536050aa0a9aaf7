"""Memory and swap: what freezing an idle instance can give back."""

from __future__ import annotations

import os

from engine.kernel.features import read_text, swaps
from engine.runtime.doctor.scope import Said, Scope, no, partly, size, yes

_ZRAM = "apt-get install zram-tools, or: modprobe zram, zramctl -f -s 2G, mkswap, swapon"


def amount(_: Scope) -> Said:
    """How much there is."""
    rows = dict(line.split(":") for line in read_text("/proc/meminfo").splitlines())
    total = int(rows["MemTotal"].split()[0]) * 1024
    free = int(rows["MemAvailable"].split()[0]) * 1024
    detail = f"{size(free)} of {size(total)} are free"
    if free < total // 20:
        return partly("less than 5 percent is free", detail=detail)
    return yes(detail)


def swap(_: Scope) -> Said:
    """Where a frozen instance's memory can go."""
    found = swaps()
    if not found:
        why = "none is on: a frozen instance keeps all its memory"
        return no(why, _ZRAM)
    total = sum(each.size_bytes for each in found)
    kind = "zram" if any(each.is_zram for each in found) else "disk"
    detail = f"{size(total)} on {kind}"
    if kind == "disk":
        why = "it is on disk: a frozen instance comes back as slowly as that reads"
        return partly(why, _ZRAM, detail=detail)
    return yes(detail)


def reclaim(scope: Scope) -> Said:
    """A frozen instance's memory asked back at once. Linux 5.19."""
    if missing := scope.survey.missing.get("memory"):
        return no(f"it needs the memory controller: {missing.reason}", missing.fix)
    if not os.path.exists("/sys/kernel/mm/lru_gen") and _release() < (5, 19):
        return no("memory.reclaim came with Linux 5.19", "run a newer kernel")
    return yes("memory.reclaim")


def _release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(each for each in minor if each.isdigit()) or 0)
