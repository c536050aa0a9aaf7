"""The steps of a plan, typed; each knows how it is printed and how it goes to the keeper."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from engine.core.network import Network
from engine.kernel.syscalls import steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.hardening import HardeningSpec
    from engine.core.network import Way
    from engine.core.spec import Bind
    from engine.runtime.users import Account


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for if no PATH reaches the instance."""


@dataclass(frozen=True)
class Step:
    """One thing done on the way from the fork to the program.

    Attributes:
        op: Its name on the wire, a key of `engine.kernel.syscalls.steps.STEPS`.
    """

    op: ClassVar[str] = ""

    def to_wire(self) -> list[object]:
        """Give it as the keeper takes it: the name, then the arguments."""
        values = [getattr(self, each.name) for each in fields(self)]
        return [self.op, *(list(each) if isinstance(each, tuple) else each for each in values)]

    def describe(self) -> str:
        """Print it, for example "mount proc on /proc": what a failure names it by, too."""
        return steps.describe(self.to_wire())


@dataclass(frozen=True)
class JoinCgroup(Step):
    """Move into a cgroup, so that everything that follows is counted and killed with it."""

    op: ClassVar[str] = "cgroup"
    path: str


@dataclass(frozen=True)
class Unshare(Step):
    """Leave namespaces for new ones."""

    op: ClassVar[str] = "unshare"
    names: tuple[str, ...]


@dataclass(frozen=True)
class MapIds(Step):
    """Map ids into the new user namespace."""

    op: ClassVar[str] = "idmap"
    uid_map: str
    gid_map: str


@dataclass(frozen=True)
class ForkInit(Step):
    """Fork: the rest happens as PID 1 of the new namespace, and below it."""

    op: ClassVar[str] = "fork"


@dataclass(frozen=True)
class Reap(Step):
    """Fork: the parent stays and reaps, as PID 1 or as subreaper; the child goes on."""

    op: ClassVar[str] = "reap"


@dataclass(frozen=True)
class EnterNetwork(Step):
    """Enter a network namespace that was made before, by its file."""

    op: ClassVar[str] = "netns"
    path: str


@dataclass(frozen=True)
class RaiseLoopback(Step):
    """Bring up the loopback of the own network, where the program may bind its port."""

    op: ClassVar[str] = "loopback"
    port: int


@dataclass(frozen=True)
class SetHostname(Step):
    """Name the new UTS namespace."""

    op: ClassVar[str] = "hostname"
    name: str


@dataclass(frozen=True)
class MountStep(Step):
    """Mount, bind, remount or change propagation, as mount(2)."""

    op: ClassVar[str] = "mount"
    source: str
    target: str
    fstype: str = ""
    flags: int = 0
    data: str = ""


@dataclass(frozen=True)
class MakeDir(Step):
    """Make a folder and its parents; a symbolic link on the way is an error."""

    op: ClassVar[str] = "mkdir"
    path: str
    mode: int = 0o700


@dataclass(frozen=True)
class WriteFile(Step):
    """Write a new file that nobody else may read."""

    op: ClassVar[str] = "write"
    path: str
    text: str


@dataclass(frozen=True)
class RemoveSocket(Step):
    """Remove the socket an earlier process left."""

    op: ClassVar[str] = "unlink"
    path: str


@dataclass(frozen=True)
class Hide(Step):
    """Cover a folder by an empty one in which only `keep` is seen; read-only unless mode says."""

    op: ClassVar[str] = "hide"
    path: str
    keep: tuple[str, ...] = ()
    mode: int = 0o555
    size: str = ""


@dataclass(frozen=True)
class Mask(Step):
    """Make files empty and folders closed; what is not there is passed over."""

    op: ClassVar[str] = "mask"
    paths: tuple[str, ...]


@dataclass(frozen=True)
class MakeDev(Step):
    """Cover /dev by an own one; devices named in `keep` are seen in it, too."""

    op: ClassVar[str] = "dev"
    path: str
    keep: tuple[str, ...]
    pts_options: str


@dataclass(frozen=True)
class MakeReadOnly(Step):
    """Make folders and all that is mounted below read-only, but for what is `writable`."""

    op: ClassVar[str] = "readonly"
    paths: tuple[str, ...]
    writable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Take(Step):
    """Hold a file or folder with all that is mounted below, to be seen at another path.

    Attributes:
        mode: "ro" or "rw".
    """

    op: ClassVar[str] = "take"
    source: str
    target: str
    mode: str = "ro"


@dataclass(frozen=True)
class Attach(Step):
    """Let be seen what was taken."""

    op: ClassVar[str] = "attach"


@dataclass(frozen=True)
class EnterRoot(Step):
    """Make a folder the root, nothing of it ever written, with what was taken in it.

    Attributes:
        own: Folders in memory that everybody may write.
        mode: Of the rest, "ro" or "rw".
        beside: Where the root is to be attached instead of being entered.
    """

    op: ClassVar[str] = "root"
    path: str
    own: tuple[str, ...]
    mode: str = "ro"
    beside: str = ""


@dataclass(frozen=True)
class StartSession(Step):
    """Become leader of an own session and process group."""

    op: ClassVar[str] = "setsid"


@dataclass(frozen=True)
class Enter(Step):
    """Change the working directory."""

    op: ClassVar[str] = "chdir"
    path: str


@dataclass(frozen=True)
class LimitResource(Step):
    """Set a resource limit, as setrlimit(2); -1 is none."""

    op: ClassVar[str] = "rlimit"
    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class JoinKeyring(Step):
    """Leave the kernel's keys of whoever started the engine for an empty keyring."""

    op: ClassVar[str] = "keyring"


@dataclass(frozen=True)
class GiveOutput(Step):
    """Give stdout and stderr to a user: a program may open them again, as /dev/stdout."""

    op: ClassVar[str] = "give_output"
    uid: int
    gid: int


@dataclass(frozen=True)
class GiveDir(Step):
    """Give a folder, not what is in it, to a user."""

    op: ClassVar[str] = "give_dir"
    path: str
    uid: int
    gid: int


@dataclass(frozen=True)
class BecomeUser(Step):
    """Go on as another user, with these groups only."""

    op: ClassVar[str] = "user"
    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class NoNewPrivileges(Step):
    """Forbid gaining privileges by set-user-ID files and file capabilities."""

    op: ClassVar[str] = "no_new_privs"


@dataclass(frozen=True)
class DropCapabilities(Step):
    """Give up all capabilities but some."""

    op: ClassVar[str] = "drop_caps"
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefuseCalls(Step):
    """Load a filter of system calls; after it there are no privileges left to be used.

    Attributes:
        what: How the filter is printed.
        program: In hexadecimal digits.
    """

    op: ClassVar[str] = "seccomp"
    what: str
    program: str


@dataclass(frozen=True)
class Execute(Step):
    """Become the program."""

    op: ClassVar[str] = "exec"
    file: str
    argv: tuple[str, ...]
    env: dict[str, str]


def resource_limits(limits: Mapping[str, tuple[int, int]]) -> list[Step]:
    """Plan resource limits, given by their names in lower case."""
    return [LimitResource(name.upper(), *pair) for name, pair in sorted(limits.items())]


@dataclass(frozen=True)
class Launchable:
    """What is the same for all kinds of isolation: a service's texts filled for one instance.

    Attributes:
        name: "service:id".
        data_dir: The engine's, links resolved.
        own_dir: The instance's folder in it.
        workdir: Where the program starts, links resolved.
        argv: The program as it was named, and its arguments.
        cgroup: Path of its cgroup, "" if it has none.
        named: What its configuration names, paths perhaps: its own environment, filled.
        secret: Files no instance may see, wherever they lie, links resolved.
        account: Whom it runs as, None: as the engine.
        way: Its network, where that is made before the launch.
        rootfs: The folder that is its root, "" for the host's.
        mounts: What of the host it sees elsewhere.
        helpers: Files that what runs the program needs; in sight, never to be written.
        written: Folders that instances of other services may write, links resolved.
    """

    name: str
    data_dir: str
    own_dir: str
    workdir: str
    socket: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cgroup: str
    hardening: HardeningSpec
    named: tuple[str, ...]
    secret: tuple[str, ...]
    account: Account | None = None
    network: Network = Network.HOST
    port: int = 0
    way: Way | None = None
    rootfs: str = ""
    mounts: tuple[Bind, ...] = ()
    helpers: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def execute(self) -> Execute:
        """The last step."""
        return Execute(self.argv[0], self.argv, self.env)

    @property
    def program(self) -> str:
        """Where the program is found; "" where it is not, which the exec will report."""
        if "/" in self.argv[0]:
            return os.path.normpath(os.path.join(self.workdir, self.argv[0]))
        return shutil.which(self.argv[0], path=self.env["PATH"]) or ""
