"""The configuration of an OCI bundle, as gVisor's `runsc` takes it.

Source: the Open Container Initiative's runtime specification, config.md and config-linux.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VERSION = "1.0.2"

_INFINITY = 2**64 - 1
"""RLIM_INFINITY where a limit is given as an unsigned number."""

_OWN_MOUNTS = (
    ("/proc", "proc", ()),
    ("/sys", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/dev", "dev", ()),
    ("/dev/pts", "devpts", ()),
    ("/dev/shm", "tmpfs", ("nosuid", "noexec", "nodev", "mode=1777")),  # noqa: S108 - its own
)
"""What the sandbox's own kernel gives: nothing of it is the host's."""


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a program runs as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


def bundle(
    *,
    argv: Sequence[str],
    env: Mapping[str, str],
    workdir: str,
    hostname: str,
    who: Who,
    capabilities: Iterable[str],
    rlimits: Mapping[str, tuple[int, int]],
    is_hardened: bool,
    root: str = "/",
) -> str:
    """Write the configuration of a program that runs on files as they are seen there.

    What of these may be written is up to whoever mounted them: the sandbox asks the host for
    each file it opens.

    Args:
        argv: The program, found by the PATH in `env`, and its arguments.
        env: All of its environment.
        workdir: Absolute.
        hostname: Of the sandbox.
        who: Its user.
        capabilities: Those it has inside, in lower case without "cap_".
        rlimits: Soft and hard limit by the name in setrlimit(2), lower case; -1 is none.
        is_hardened: Whether it may gain no privileges inside.
        root: Whose files it runs on.

    Returns: JSON.
    """
    held = sorted(f"CAP_{name.upper()}" for name in capabilities)
    names = ("bounding", "effective", "inheritable", "permitted", "ambient")
    process = {
        "user": {"uid": who.uid, "gid": who.gid, "additionalGids": list(who.groups)},
        "args": list(argv),
        "env": [f"{name}={text}" for name, text in env.items()],
        "cwd": workdir,
        "capabilities": dict.fromkeys(names, held),
        "rlimits": [_rlimit(name, *pair) for name, pair in sorted(rlimits.items())],
        "noNewPrivileges": is_hardened,
    }
    config = {
        "ociVersion": VERSION,
        "process": process,
        "root": {"path": root, "readonly": False},
        "hostname": hostname,
        "mounts": [_mount(*each) for each in _OWN_MOUNTS],
        "linux": {"namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts")]},
    }
    return msgspec.json.encode(config).decode()


def _rlimit(name: str, soft: int, hard: int) -> dict[str, object]:
    return {
        "type": f"RLIMIT_{name.upper()}",
        "soft": _INFINITY if soft < 0 else soft,
        "hard": _INFINITY if hard < 0 else hard,
    }


def _mount(target: str, fstype: str, options: Sequence[str]) -> dict[str, object]:
    return {"destination": target, "type": fstype, "source": fstype, "options": list(options)}
