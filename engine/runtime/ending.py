"""The end of a keeper: it executes this in its place, still the parent of all that it started.

`python -P -m engine.runtime.ending RUN_FOLDER` ends what the engine left running, or could not
end because it was dead: SIGTERM, a grace period, then kill; and removes what is only of use to
the living. It is another program so that the keeper stays small.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from engine.kernel import syscalls
from engine.kernel.cgroup import Cgroup, find_tree, group_of, leave_leaf
from engine.kernel.syscalls import process
from engine.runtime import rundir

GRACE_SECONDS = 5.0
"""From SIGTERM to kill; a signal meanwhile cuts it short."""

KILL_SECONDS = 10.0
"""How long killed processes may take to go: longer only where a device holds them."""

_TURN_SECONDS = 0.05


class Remnant:
    """An instance that had not been acknowledged when the keeper stopped serving."""

    def __init__(self, record: dict[str, object]) -> None:
        """Find its process again.

        Raises:
            OSError: It is gone.
            KeyError, ValueError, TypeError: It is no record.
        """
        self.pid = int(str(record["pid"]))
        self.main_pid = int(str(record["main_pid"]))
        self.cgroup = str(record["cgroup"])
        self.is_subreaper = bool(record["is_subreaper"])
        ticks = int(str(record["start_ticks"]))
        self.pidfd = process.open_same(self.pid, ticks, self.cgroup)

    def terminate(self) -> None:
        """Ask it to end: the program's group, or the reaper that passes it on."""
        with contextlib.suppress(ProcessLookupError):
            if self.pid == self.main_pid:
                os.killpg(self.pid, signal.SIGTERM)
            else:
                signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)

    def kill(self) -> None:
        """End every process of it."""
        process.kill_all(self.pidfd, self.cgroup, is_subreaper=self.is_subreaper)

    def is_alive(self) -> bool:
        """Tell whether it has yet to end."""
        return not select.select([self.pidfd], [], [], 0)[0]


class Ending:
    """What is left of a keeper's processes."""

    def __init__(self, path: str) -> None:
        """Read the records of a run folder."""
        self.path = path
        self.cgroups: set[str] = set()
        """Of the remnants and, above all, the one that holds those of all instances."""
        self.remnants: list[Remnant] = []
        self.is_hurried = False
        for name in os.listdir(os.path.join(path, "instances")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                with open(os.path.join(path, "instances", name)) as file:
                    record = json.load(file)
                self.cgroups.add(str(record["cgroup"]))
                self.remnants.append(Remnant(record))
        self.cgroups.discard("")
        if tree := find_tree():
            self.cgroups.add(f"{tree.path}/{group_of(os.path.dirname(path))}")

    def run(self) -> None:
        """End everything, in at most the sum of both periods, and clean up."""
        for remnant in self.remnants:
            remnant.terminate()
        spared = [remnant.pid for remnant in self.remnants]
        for pid in set(process.children()).difference(spared):
            os.kill(pid, signal.SIGTERM)  # engine and doors, or what is about to be launched
        self._wait(GRACE_SECONDS)
        self.is_hurried = False
        deadline = time.monotonic() + KILL_SECONDS
        while self._kill() and time.monotonic() < deadline:
            self._wait(_TURN_SECONDS)
        for path in sorted(self.cgroups, reverse=True):
            with contextlib.suppress(OSError):
                Cgroup(path).remove(wait_seconds=1)
        leave_leaf()
        self._close_way_out()
        rundir.clean(self.path)

    def _close_way_out(self) -> None:
        """Give the host back as it was, where instances had a way out: few engines have any."""
        if not os.path.exists(os.path.join(self.path, rundir.FORWARDED)):
            return
        from engine.core.errors import TenError
        from engine.runtime.outbound import Outlet

        with contextlib.suppress(OSError, TenError):
            Outlet(Path(self.path), group_of(os.path.dirname(self.path))).take_down()

    def _wait(self, seconds: float) -> None:
        """Reap until nothing is left, the time is over or a signal says to hurry."""
        deadline = time.monotonic() + seconds
        while self._is_anything_left() and not self.is_hurried and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, min(_TURN_SECONDS, seconds))

    def _is_anything_left(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return bool(process.children()) or any(each.is_alive() for each in self.remnants)

    def _kill(self) -> bool:
        """Kill what is left; tell whether there was anything."""
        is_left = self._is_anything_left()
        for remnant in self.remnants:
            remnant.kill()
        for path in self.cgroups:  # also of programs that have ended: others may be there
            with contextlib.suppress(OSError):
                Cgroup(path).kill()
        spared = [each.pid for each in self.remnants if each.is_subreaper and each.is_alive()]
        process.kill_children(spared)
        return is_left


def main() -> None:
    """End what is left of the keeper this process was."""
    syscalls.set_name("ten-keeper")
    syscalls.set_child_subreaper()
    process.notify("STOPPING=1")
    ending = Ending(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def hurry(*_: object) -> None:
        ending.is_hurried = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hurry)
    ending.run()


if __name__ == "__main__":
    main()
