"""Things a host may forbid, tried in processes that end at once (`python -m engine.kernel.tries`).

A program of its own, since who asks may have threads and must not fork; the standard library and
`engine.kernel.syscalls` only. Nothing is left behind.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from engine.kernel import syscalls, userns
from engine.kernel.syscalls import clone

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10.0
_FREEZE_SECONDS = 2.0
_NO_ERRNO = 255
"""What a try ends with whose error has no number."""


def try_all(cgroup: str) -> dict[str, int]:
    """Try everything in a program of its own; give error numbers, 0 for what works.

    Args:
        cgroup: Folder of a v2 tree that may be written, "" where there is none.

    Returns: namespaces by name; with a tree also "clone3", "freeze" and "kill". Empty where the
        program could not run.
    """
    command = [sys.executable, "-P", "-m", "engine.kernel.tries", cgroup]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
        found: dict[str, int] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return found


def attempt(act: Callable[[], object]) -> int:
    """Do something in a forked process; give its error number, 0 where it worked."""
    pid = os.fork()
    if pid == 0:
        code = _NO_ERRNO
        try:
            act()
            code = 0
        except OSError as error:
            code = min(error.errno or _NO_ERRNO, _NO_ERRNO)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def namespaces() -> dict[str, int]:
    """Try each kind of namespace; without privileges below a user namespace."""
    below = 0 if userns.has_capability("sys_admin") else syscalls.CLONE_NEWUSER
    found = {}
    for name, flag in syscalls.NAMESPACES.items():
        flags = flag | below

        def leave(flags: int = flags) -> None:
            syscalls.unshare(flags)

        found[name] = attempt(leave)
    return found


def cgroups(tree: str) -> dict[str, int]:
    """Try to start a process in a cgroup of its own, to freeze it and to end it by the cgroup."""
    path = f"{tree}/ten-try-{os.getpid()}"
    try:
        os.mkdir(path, 0o755)
    except OSError as error:
        return {"clone3": error.errno or _NO_ERRNO}
    try:
        return _in_cgroup(path)
    finally:
        _remove(path)


def _in_cgroup(path: str) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        pid = clone.clone(0, path)
    except OSError as error:
        return {"clone3": error.errno or _NO_ERRNO}
    if pid == 0:
        while True:
            signal.pause()
    found["clone3"] = 0
    try:
        found["freeze"] = _errno_of(lambda: _freeze(path))
        found["kill"] = _errno_of(lambda: _write(f"{path}/cgroup.kill", "1"))
    finally:
        with contextlib.suppress(OSError):
            _write(f"{path}/cgroup.freeze", "0")
        if found.get("kill"):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return found


def _freeze(path: str) -> None:
    _write(f"{path}/cgroup.freeze", "1")
    deadline = time.monotonic() + _FREEZE_SECONDS
    while "frozen 1" not in _read(f"{path}/cgroup.events"):
        if time.monotonic() > deadline:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)
        time.sleep(0.001)


def _errno_of(act: Callable[[], object]) -> int:
    try:
        act()
    except OSError as error:
        return error.errno or _NO_ERRNO
    return 0


def _remove(path: str) -> None:
    """Remove the cgroup; the dead need a moment to leave it."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.001)
        else:
            return


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def main() -> None:
    """Try everything and print it."""
    found = namespaces()
    if tree := sys.argv[1]:
        found |= cgroups(tree)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
