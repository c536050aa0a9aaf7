"""A launch tried out: the real steps of a kind of isolation, for a program that does nothing.

What a host allows is seldom what its switches say: containers filter system calls, security
modules refuse mounts, ids run out. So the steps themselves are asked. They run below a program
of their own (`python -m engine.runtime.trial KIND NETWORK`): the engine has threads and must not
fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import FeatureMissing
from engine.core.network import Network
from engine.core.spec import Isolation, ServiceSpec
from engine.kernel import syscalls
from engine.kernel.syscalls.launch import Launch
from engine.runtime.plan import build_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0
"""A trial that takes longer has failed."""
PLACE = "/mnt"
"""Covered for a try in its mount namespace: nothing that a launch needs lies there."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial went.

    Attributes:
        step: The step that failed as a plan prints it, "" where all were carried out.
        reason: Why, in the kernel's words or ours.
        errno: The kernel's error number, 0 where it gave none.
        fix: What helps, where that is known.
        seconds: From the fork to the program's end.
    """

    step: str = ""
    reason: str = ""
    errno: int = 0
    fix: str = ""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Tell whether such an instance can be started here."""
        return not self.reason


def try_out(kind: Isolation, network: Network = Network.HOST) -> Trial:
    """Try a kind of isolation in a program of its own; takes about 0.1 s."""
    return run_trial("engine.runtime.trial", kind.value, network.value)


def run_trial(module: str, *arguments: str) -> Trial:
    """Run a module that tries something out and prints its trial."""
    command = [sys.executable, "-P", "-m", module, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Trial(step="start the trial", reason=str(error))
    try:
        return msgspec.json.decode(done.stdout, type=Trial)
    except msgspec.DecodeError:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Trial(step="start the trial", reason=last or f"it ended with {done.returncode}")


def carry_out(kind: Isolation, network: Network = Network.HOST) -> Trial:
    """Launch a program that does nothing, from a process that has one thread and no children."""
    spec = ServiceSpec(
        name="trial", command="/bin/true", isolation=kind, workdir="/", network=network
    )
    try:
        with scratch() as folder:
            plan = build_plan(
                spec, "x", port=1, data_dir=folder, cgroup="", environ={}, pass_env=()
            ).to_wire()
            return _launch(plan)
    except FeatureMissing as error:
        return Trial(step="plan", reason=str(error), fix=error.hint)
    except OSError as error:
        return Trial(step="fork", reason=error.strerror or str(error), errno=error.errno or 0)


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Make a folder for a try; it is gone afterwards, wherever a SIGTERM ends that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    folder = tempfile.mkdtemp(prefix="ten-trial-")
    try:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield folder
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _launch(plan: list[list[object]]) -> Trial:
    syscalls.set_child_subreaper()
    launch = Launch(plan)
    begin = time.monotonic()
    launch.start([os.devnull, os.devnull], resource.getrlimit(resource.RLIMIT_NOFILE))
    try:
        follow(launch, SECONDS / 2)
    finally:
        launch.close()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
    failure = launch.failure
    if failure is None:
        return Trial(seconds=time.monotonic() - begin)
    number = int(str(failure["errno"]))
    return Trial(step=str(failure["step"]), reason=os.strerror(number), errno=number)


def follow(launch: Launch, seconds: float) -> None:
    """Take the reports up to their end, which is the exec or a failure.

    Raises:
        TimeoutError: It takes longer.
    """
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(launch.report, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            report = launch.read()
            if not report:
                return
            if report == b"ready":
                launch.go()
    raise TimeoutError(f"not done within {seconds:g} s")


def stand_alone() -> None:
    """Leave nothing behind, however this program ends: an engine's end takes a try along.

    As root that holds for a SIGKILL too: the try's folder lies in a mount of its own. As
    somebody else it holds for a SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    with contextlib.suppress(OSError):
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("ten", PLACE, "tmpfs", flags, "size=16m,mode=700")
        tempfile.tempdir = PLACE


if __name__ == "__main__":
    stand_alone()
    json.dump(
        msgspec.to_builtins(carry_out(Isolation(sys.argv[1]), Network(sys.argv[2]))), sys.stdout
    )
