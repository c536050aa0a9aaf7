"""How much an instance may do beyond its own business: levels, capabilities, resource limits.

Only values: `engine.core.config_hardening` reads them, `engine.runtime` makes steps of them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Hardening(StrEnum):
    """How far an instance in isolation `namespace` is kept from the host."""

    OFF = "off"
    DEFAULT = "default"
    STRICT = "strict"


UNLIMITED = -1
"""A resource limit that is none, as setrlimit(2)'s RLIM_INFINITY in Python."""

RLIMITS = (
    *("as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc"),
    *("rss", "rtprio", "rttime", "sigpending", "stack"),
)
"""Resource limits by their names in setrlimit(2), lower case."""

GRANTABLE = frozenset(
    (
        *("audit_write", "chown", "dac_override", "fowner", "fsetid", "ipc_lock", "ipc_owner"),
        *("kill", "lease", "net_bind_service", "net_broadcast", "net_raw"),
        *("setfcap", "setgid", "setpcap", "setuid", "sys_chroot", "sys_nice", "sys_resource"),
    )
)
"""Capabilities an instance may be given: what they allow stays inside it.

Source: capabilities(7).
"""

REACHES_HOST = {
    "dac_read_search": "it opens any file of the host by its handle",
    "net_admin": "it changes the host's network",
    "sys_module": "it loads code into the kernel",
    "sys_rawio": "it writes to the host's memory and disks",
    "sys_ptrace": "it reads the memory of the instance's init, which was the engine's",
    "sys_pacct": "it turns on the host's accounting",
    "sys_admin": "it undoes the isolation",
    "sys_boot": "it restarts the host",
    "sys_time": "it sets the host's clock",
    "sys_tty_config": "it takes over the host's terminals",
    "mknod": "it makes devices, the host's disks among them",
    "audit_control": "it turns off the host's audit",
    "mac_override": "it passes by the host's access control",
    "mac_admin": "it changes the host's access control",
    "syslog": "it reads the kernel's log",
    "linux_immutable": "it makes files that the engine cannot remove",
    "wake_alarm": "it wakes the host",
    "block_suspend": "it keeps the host awake",
    "audit_read": "it reads the host's audit log",
    "perfmon": "it watches the whole host",
    "bpf": "it loads programs into the kernel",
    "checkpoint_restore": "it reads other processes' memory",
}
"""Capabilities that lead out of an instance, with the reason."""


class HardeningSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The keys `hardening`, `capabilities` and `[service.NAME.rlimits]`.

    Attributes:
        capabilities: Those it keeps, names as in `GRANTABLE`.
        rlimits: Soft and hard limit by the name in `RLIMITS`, in the units of setrlimit(2).
    """

    level: Hardening = Hardening.DEFAULT
    capabilities: tuple[str, ...] = ()
    rlimits: dict[str, tuple[int, int]] = {}
