"""User namespaces: whether this host lets us have them, and why not."""

from __future__ import annotations

from pathlib import Path

from engine.kernel.syscalls import CAPABILITIES

_SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def why_no_user_namespace(proc: str = "/proc") -> tuple[str, str]:
    """Say which switch of the kernel keeps an ordinary user from them, and what turns it.

    Returns: ("", "") where nothing does.
    """
    if not Path(f"{proc}/self/ns/user").exists():
        return "the kernel has no user namespaces", "run a kernel with CONFIG_USER_NS"
    for name, forbidding, fix in _SWITCHES:
        file = Path(f"{proc}/sys/{name}")
        if file.exists() and file.read_text().strip() == forbidding:
            return f"{name.replace('/', '.')} is {forbidding}", fix
    return "", ""


def has_capability(name: str) -> bool:
    """Tell whether this process has a capability, for example "sys_admin", in effect."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAPABILITIES.index(name) & 1)
    return False


def mapped_uids() -> list[tuple[int, int]]:
    """List the uids there are in this process's user namespace: first and count of each range."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return [(int(line.split()[0]), int(line.split()[2])) for line in lines]
