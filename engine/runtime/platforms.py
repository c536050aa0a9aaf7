"""On which platform gVisor runs here: found by running /bin/true on each, and remembered.

What a host says is not enough: nested machines have a /dev/kvm on which a sandbox hangs for ever.
So the real steps of a launch are carried out, below a program of their own (`python -m
engine.runtime.platforms RUNSC PLATFORM`), under a time limit that ends all of it. The choice is
kept in the data directory and made anew for another runsc or another kernel.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import FeatureMissing
from engine.core.spec import Isolation, ServiceSpec
from engine.kernel import syscalls
from engine.kernel.gvisor import find_runsc, identity, read_version, why_no_sandbox
from engine.kernel.syscalls.launch import Launch
from engine.kernel.syscalls.process import write_whole
from engine.runtime.plan import build_plan
from engine.runtime.sandbox import Gvisor
from engine.runtime.trial import follow, scratch, stand_alone

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

PLATFORMS = {"systrap": 3.0, "kvm": 3.0, "ptrace": 10.0}
"""From the fastest to the one that runs everywhere; seconds a try may take, which takes 0.2."""

FILE = "run/gvisor.json"
"""Where the choice is kept, below the data directory."""

_LAST_LINES_BYTES = 4096

_choosing = threading.Lock()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out.

    Attributes:
        refused: Why not the platforms before this one, by name.
    """

    path: str
    version: str
    identity: str
    platform: str
    refused: dict[str, str] = {}


def choose(data_dir: str) -> Gvisor:
    """Give gVisor as it runs here; see `examine`."""
    found = examine(data_dir)
    return Gvisor(path=found.path, platform=found.platform)


def examine(data_dir: str) -> Choice:
    """Find out how gVisor runs here; the first time that takes up to 16 s.

    Raises:
        FeatureMissing: There is none, or it runs on no platform.
    """
    with _choosing:
        found = remembered(data_dir)
        if found is None:
            found = _try_all()
            _remember(data_dir, found)
            for platform, reason in found.refused.items():
                log.info("gVisor does not run on platform %s here: %s", platform, reason)
            log.info("gVisor %s runs on platform %s", found.version, found.platform)
    return found


def recall(data_dir: str) -> Gvisor | None:
    """Give gVisor as it was seen to run, None where that was not tried; tries nothing."""
    found = remembered(data_dir)
    return Gvisor(path=found.path, platform=found.platform) if found else None


def remembered(data_dir: str) -> Choice | None:
    """Give the choice made before, None where there is none for this runsc and kernel."""
    try:
        with open(os.path.join(data_dir, FILE), "rb") as file:
            kept = msgspec.json.decode(file.read(), type=Choice)
        is_same = kept.path == find_runsc() and kept.identity == identity(kept.path)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if is_same else None


def _remember(data_dir: str, found: Choice) -> None:
    """Write it down where an engine has been; the next one tries again where that fails."""
    path = os.path.join(data_dir, FILE)
    if not os.path.isdir(os.path.dirname(path)):
        return
    try:
        write_whole(path, msgspec.json.encode(found).decode())
    except OSError as error:
        log.warning("the platform of gVisor is not remembered: %s", error)


def _try_all() -> Choice:
    reason, fix = why_no_sandbox()
    if reason:
        raise FeatureMissing(f'isolation = "sandbox" {reason}', hint=fix)
    path = find_runsc()
    refused: dict[str, str] = {}
    try:
        version = read_version(path)
        for platform in PLATFORMS:
            why = try_out(path, platform)
            if not why:
                return Choice(
                    path=path,
                    version=version,
                    identity=identity(path),
                    platform=platform,
                    refused=refused,
                )
            refused[platform] = why
    except OSError as error:
        text = f'isolation = "sandbox": {path} does not run: {error.strerror or error}'
        raise FeatureMissing(text, hint="apt-get install --reinstall runsc") from error
    reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
    text = f'isolation = "sandbox": gVisor runs on no platform here: {reasons}'
    raise FeatureMissing(text, hint='let ptrace(2) through, or use isolation = "namespace"')


def try_out(path: str, platform: str) -> str:
    """Run a sandbox in a program of its own; say why it does not run, "" where it does."""
    command = [sys.executable, "-P", "-m", "engine.runtime.platforms", path, platform]
    seconds = PLATFORMS[platform] + 10
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    try:
        answer: str = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return last or f"the try ended with {done.returncode}"
    return answer


def carry_out(gvisor: Gvisor, argv: Sequence[str] = ("/bin/true",)) -> str:
    """Launch from a process that has one thread and no children; say what was in the way."""
    with scratch() as folder:
        return _carry_out(gvisor, argv, folder)


def _carry_out(gvisor: Gvisor, argv: Sequence[str], folder: str) -> str:
    output = os.path.join(folder, "output")  # a file would be busy when all becomes read-only
    os.mkfifo(output)
    reader = os.open(output, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    spec = ServiceSpec(
        name="trial",
        command=argv[0],
        args=tuple(argv[1:]),
        isolation=Isolation.SANDBOX,
        workdir="/",
    )
    try:
        plan = build_plan(
            spec,
            "x",
            port=1,
            data_dir=os.path.join(folder, "data"),
            cgroup="",
            environ={},
            pass_env=(),
            gvisor=gvisor,
        ).to_wire()
        why = _launch(plan, output, PLATFORMS[gvisor.platform])
        return why and f"{why}{_last_line(reader)}"
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(reader)


def _launch(plan: list[list[object]], output: str, seconds: float) -> str:
    syscalls.set_child_subreaper()
    launch = Launch(plan)
    launch.start([output, output], resource.getrlimit(resource.RLIMIT_NOFILE))
    try:
        follow(launch, seconds)
        if launch.failure is not None:
            return f"{launch.failure['step']}: {os.strerror(int(str(launch.failure['errno'])))}"
        if not select.select([launch.status_fd], [], [], seconds)[0]:
            return f"it did nothing for {seconds:g} s"
        status = int.from_bytes(os.read(launch.status_fd, 8), sys.byteorder)
        return f"it ended with {os.waitstatus_to_exitcode(status)}" if status else ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(launch.pidfd, signal.SIGKILL)  # PID 1: all go with it
        launch.close()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def _last_line(fd: int) -> str:
    try:
        text = os.read(fd, _LAST_LINES_BYTES).decode(errors="replace").strip()
    except BlockingIOError:
        return ""
    return f": {text.rpartition(chr(10))[2]}"


if __name__ == "__main__":
    stand_alone()
    json.dump(carry_out(Gvisor(path=sys.argv[1], platform=sys.argv[2])), sys.stdout)
