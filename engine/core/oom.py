"""What is said of processes that the kernel killed because memory ran out."""

from __future__ import annotations

import msgspec

_MIB = 1024 * 1024


class OomKill(msgspec.Struct, frozen=True, kw_only=True):
    """Kills of one instance's processes, seen together.

    Attributes:
        kills: Processes killed; at least 1.
        limit_bytes: Its memory_max, 0 where it has none.
        peak_bytes: The most it ever used in this run; None where the kernel does not count that.
        is_own: Its own limit was hit; False: the host's memory ran out, or that of a cgroup above.
    """

    kills: int
    limit_bytes: int = 0
    peak_bytes: int | None = None
    is_own: bool = True

    @property
    def figures(self) -> str:
        """The figures: "limit 256 MiB, peak 256 MiB"."""
        parts = [f"limit {_mib(self.limit_bytes)}" if self.limit_bytes else "no limit of its own"]
        if self.peak_bytes is not None:
            parts.append(f"peak {_mib(self.peak_bytes)}")
        return ", ".join(parts)

    def summary(self) -> str:
        """Say why the instance ended."""
        whose = "out of memory" if self.is_own else "the host ran out of memory"
        return f"killed by the kernel: {whose} ({self.figures})"

    def event(self, name: str) -> str:
        """Say what happened to the instance."""
        what = "1 process" if self.kills == 1 else f"{self.kills} processes"
        whose = "is out of memory" if self.is_own else "lost memory as the host ran out"
        return f"{name} {whose}: the kernel killed {what} ({self.figures})"


def _mib(size: int) -> str:
    return f"{size / _MIB:.4g} MiB" if size % _MIB else f"{size // _MIB} MiB"
