"""Kills for lack of memory: seen with the samples, and once more at an instance's end.

The kernel counts them in memory.events. Those that end the instance explain its end; those that
do not (`memory_oom_group = false`, or a host that runs out) are events all the same.

Source: Documentation/admin-guide/cgroup-v2.rst, "memory.events", "memory.oom.group".
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.oom import OomKill
from engine.core.wire import EventKind

if TYPE_CHECKING:
    from engine.daemon.instance import Instance
    from engine.daemon.journal import Journal

RECENT_SECONDS = 3.0
"""An end so soon after a kill was seen is that kill's: an exit takes its time to be told. Further
kills so soon are part of the one that was told."""


@dataclass
class _Seen:
    """Of one process: kills and own limits hit that were there before or were told already."""

    kills: int = 0
    ooms: int = 0
    last: OomKill | None = None
    last_at: float = -math.inf
    told_at: float = -math.inf


class OomWatch:
    """Compares the kernel's counters with what was told."""

    def __init__(self, journal: Journal) -> None:
        """Take where kills are told."""
        self._journal = journal
        self._seen: dict[str, _Seen] = {}

    def begin(self, instance: Instance) -> None:
        """Count from now on; where its process has ended already, from its start."""
        seen = self._seen[instance.name] = _Seen()
        process = instance.process
        if process is not None and process.cgroup is not None and process.is_alive():
            events = process.cgroup.memory_events()
            seen.kills, seen.ooms = events.get("oom_kill", 0), events.get("oom", 0)

    def look(self, instance: Instance) -> OomKill | None:
        """Tell of kills since the last look, unless others were just told; give them."""
        process, seen = instance.process, self._seen.get(instance.name)
        if process is None or process.cgroup is None or seen is None:
            return None
        events = process.cgroup.memory_events()
        kills, ooms = events.get("oom_kill", 0), events.get("oom", 0)
        new = kills - seen.kills
        if new <= 0:
            return None
        found = OomKill(
            kills=new,
            limit_bytes=instance.enforced.memory_bytes,
            peak_bytes=process.cgroup.memory_peak(),
            is_own=ooms > seen.ooms,
        )
        now = time.monotonic()
        seen.kills, seen.ooms = kills, ooms
        seen.last, seen.last_at = found, now
        instance.oom_kills += new
        if now - seen.told_at >= RECENT_SECONDS:  # the processes of a group die one by one
            seen.told_at = now
            text = found.event(instance.name)
            self._journal.add(EventKind.STATE, text, level="error", instance=instance.name)
        return found

    def end(self, instance: Instance) -> OomKill | None:
        """Look for the last time, while the cgroup is there; give what may have ended it."""
        found = self.look(instance)
        seen = self._seen.pop(instance.name, _Seen())
        if found is None and time.monotonic() - seen.last_at < RECENT_SECONDS:
            return seen.last
        return found
