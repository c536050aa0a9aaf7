"""GVisor's `runsc` on this host: where it is, and why it cannot be used where it cannot.

On which platform it runs is found by running it: `engine.runtime.platforms`.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from engine.kernel import userns

INSTALL = "apt-get install runsc"

_SECONDS = 10.0
"""How long it may take to print its version; it takes 0.03 s."""


def find_runsc() -> str:
    """Give the path of the program, "" where it is not installed."""
    return shutil.which("runsc") or ""


def why_no_sandbox() -> tuple[str, str]:
    """Say why isolation `sandbox` cannot be had here, and what helps; ("", "") where it may be.

    Looks only; whether gVisor runs on this machine is tried by `engine.runtime.platforms`.
    """
    if not find_runsc():
        return "needs runsc, which is not installed", INSTALL
    if os.geteuid() != 0 or not userns.has_capability("sys_admin"):
        # runsc maps more ids than an ordinary user may, and wants a mount namespace of root's.
        return "needs an engine that runs as root", "run ten serve as root"
    return "", ""


def read_version(path: str) -> str:
    """Ask a runsc for its version, for example "0.0~20221219.0".

    Raises:
        OSError: It does not run, or says nothing sensible.
    """
    try:
        done = subprocess.run(  # noqa: S603 - found on the PATH
            [path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        raise OSError(0, str(error), path) from error
    return done.stdout.partition("\n")[0].replace("runsc version", "").strip()


def identity(path: str) -> str:
    """Tell this program on this kernel from every other, without running it.

    Raises:
        OSError: It is gone.
    """
    found = os.stat(path)
    kernel = os.uname()
    has_kvm = os.path.exists("/dev/kvm")
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {kernel.release} {has_kvm}"
