"""Isolation `sandbox`: the program runs on gVisor's kernel, below namespaces of our own.

The namespaces are those of isolation `namespace`, with the same view of the host's files: so the
rules of what is in sight are the same, and all helpers of `runsc` end with PID 1. What runsc
itself needs to know and to write down lies in memory in that mount namespace and goes with it:
whoever dies, nothing is left to be cleaned up. The program sees neither: its /proc, /sys and
/dev come from gVisor's kernel and lie over those of the namespace.

The network is the host's or that of the namespace, through gVisor's system calls only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from engine.core import oci
from engine.core.errors import FeatureMissing
from engine.core.hardening import GRANTABLE, Hardening
from engine.kernel import syscalls, userns
from engine.runtime.files import file_steps
from engine.runtime.namespace import (
    DEFAULT_RLIMITS,
    give_socket_dir,
    hostname_of,
    needed_capabilities,
)
from engine.runtime.network import entered, network_steps, resolver_steps, unshared
from engine.runtime.process import give_output
from engine.runtime.rootfs import root_steps
from engine.runtime.steps import (
    DEFAULT_PATH,
    Attach,
    Enter,
    Execute,
    ForkInit,
    JoinCgroup,
    MakeDir,
    MountStep,
    Reap,
    RemoveSocket,
    StartSession,
    Unshare,
    WriteFile,
)

if TYPE_CHECKING:
    from engine.runtime.steps import Launchable, Step

FOLDER = "/dev/shm/.runsc"  # noqa: S108 - of the instance's own namespace, out of its sight
"""Where bundle and state of runsc lie."""

ROOT = f"{FOLDER}/root"
"""Where a root of the instance's own is attached for runsc."""

PASS_ON = """\
trap 'is_asked=1
for turn in 1 2 3 4 5 6 7 8 9 10; do
  "$1" "$2" kill --all "$0" TERM 2>/dev/null && break
  sleep 0.05
done' TERM
setsid "$@" &
while :; do
  is_asked=
  wait $!
  status=$?
  [ "$is_asked" ] || exit $status
done
"""  # noqa: S105 - it holds no password
"""What passes SIGTERM on to the program: `runsc run` would end by it, and the program at once.

runsc is out of the process group the signal goes to. It knows the container only some time after
its own start, so a signal in that time is given to it again.
"""


class Gvisor(msgspec.Struct, frozen=True, kw_only=True):
    """A runsc, and the platform on which it was seen to run."""

    path: str
    platform: str


def plan_steps(what: Launchable, gvisor: Gvisor) -> tuple[Step, ...]:
    """Plan a launch below gVisor.

    Raises:
        FeatureMissing: This is an ordinary user.
    """
    if not userns.has_capability("sys_admin"):
        text = f'{what.name}: isolation = "sandbox" needs an engine that runs as root'
        raise FeatureMissing(text, hint='use isolation = "namespace", which an ordinary user has')
    names = ["pid", "mount", "ipc", "uts", *unshared(what)] + (["cgroup"] if what.cgroup else [])
    return (
        *([JoinCgroup(what.cgroup)] if what.cgroup else []),
        Unshare(tuple(names)),
        ForkInit(),
        *entered(what),
        Reap(),
        *network_steps(what),
        *give_output(what),
        MakeDir(what.own_dir),
        MountStep("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE),
        *resolver_steps(what),
        *(root_steps(what, ROOT) if what.rootfs else ()),
        *file_steps(_below_runsc(what, gvisor), is_rootless=False),
        MakeDir(os.path.dirname(what.socket), 0o755),
        RemoveSocket(what.socket),
        *give_socket_dir(what),
        StartSession(),
        MakeDir(FOLDER),
        *([Attach()] if what.rootfs else ()),
        WriteFile(f"{FOLDER}/config.json", _bundle(what)),
        Enter("/"),
        _execute(what, gvisor),
    )


def container_id(what: Launchable) -> str:
    """Name the container: unlike any other's on this host, of other engines too.

    runsc listens for its own commands on an abstract socket of that name, which belongs to the
    network; it answers nobody but its own user.
    """
    digest = hashlib.blake2s(what.own_dir.encode(), digest_size=6).hexdigest()
    return f"ten-{hostname_of(what)}-{digest}"


def _below_runsc(what: Launchable, gvisor: Gvisor) -> Launchable:
    """Leave runsc and the device it needs in sight; the program's own /dev lies over that.

    A root of its own is made beside: runsc needs more of the host than such a root has.
    """
    device = ("/dev/kvm",) if gvisor.platform == "kvm" else ()
    helped = dataclasses.replace(what, helpers=(gvisor.path, *device))
    return dataclasses.replace(helped, rootfs="", mounts=(), workdir="/") if what.rootfs else helped


def _execute(what: Launchable, gvisor: Gvisor) -> Execute:
    ident = container_id(what)
    argv = (
        *("sh", "-c", PASS_ON, ident, gvisor.path),
        f"--root={FOLDER}/state",
        f"--platform={gvisor.platform}",
        "--network=host",
        "--ignore-cgroups",
        # Others write there, too: whoever works on the tenant's files from outside.
        "--file-access=shared",
        *("run", f"--bundle={FOLDER}", ident),
    )
    return Execute("/bin/sh", argv, {"PATH": DEFAULT_PATH})


def _bundle(what: Launchable) -> str:
    is_off = what.hardening.level is Hardening.OFF
    account = what.account
    held = set(needed_capabilities(what)) | (GRANTABLE if is_off else set())
    return oci.bundle(
        argv=what.argv,
        env=what.env,
        workdir=what.workdir,
        hostname=hostname_of(what),
        who=oci.Who(uid=account.uid, gid=account.gid, groups=account.groups)
        if account
        else oci.Who(uid=os.geteuid(), gid=os.getegid(), groups=tuple(os.getgroups())),
        capabilities=held,
        rlimits=({} if is_off else DEFAULT_RLIMITS) | what.hardening.rlimits,
        is_hardened=not is_off,
        root=ROOT if what.rootfs else "/",
    )
