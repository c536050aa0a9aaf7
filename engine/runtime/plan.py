"""Plans: an instance's launch as small steps that can be printed before they are carried out.

Made here from values, carried out by the keeper in the process that becomes the program.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, assert_never

from engine.core.errors import FeatureMissing, SpecError
from engine.core.names import instance_name
from engine.core.spec import Isolation
from engine.kernel.syscalls import steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.core.spec import ServiceSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for if no PATH reaches the instance."""

_PLACEHOLDER = re.compile(r"\{(name|id|data_dir|socket|port)\}")


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


@dataclass(frozen=True)
class MakeReadOnly(Step):
    """Make a mount and all below it read-only."""

    op: ClassVar[str] = "readonly"
    path: str


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
class NoNewPrivileges(Step):
    """Forbid gaining privileges by set-user-ID files and file capabilities."""

    op: ClassVar[str] = "no_new_privs"


@dataclass(frozen=True)
class DropCapabilities(Step):
    """Give up all capabilities but some."""

    op: ClassVar[str] = "drop_caps"
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class Execute(Step):
    """Become the program."""

    op: ClassVar[str] = "exec"
    file: str
    argv: tuple[str, ...]
    env: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """A launch, step by step."""

    steps: tuple[Step, ...]

    def describe(self) -> list[str]:
        """Print it, one line a step."""
        return [step.describe() for step in self.steps]

    def to_wire(self) -> list[list[object]]:
        """Give it as the keeper takes it."""
        return [step.to_wire() for step in self.steps]


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
    """

    name: str
    data_dir: str
    own_dir: str
    workdir: str
    socket: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cgroup: str

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


def build_plan(
    spec: ServiceSpec,
    ident: str,
    *,
    port: int,
    data_dir: str,
    cgroup: str,
    environ: Mapping[str, str],
    pass_env: Sequence[str],
) -> Plan:
    """Plan the launch of one instance.

    Args:
        spec: Its service.
        ident: Its id.
        port: Where it is to listen.
        data_dir: The engine's data directory.
        cgroup: Path of its cgroup, made before; "" where the host gives none.
        environ: The engine's environment.
        pass_env: Names of it that reach the instance.

    Raises:
        SpecError: The command cannot be split.
        FeatureMissing: This host cannot isolate it so.
    """
    # Here, as both build on the steps above.
    from engine.runtime import namespace, process

    what = fill_in(
        spec,
        ident,
        port=port,
        data_dir=data_dir,
        cgroup=cgroup,
        environ={name: environ[name] for name in pass_env if name in environ},
    )
    match spec.isolation:
        case Isolation.PROCESS:
            return Plan(process.plan_steps(what))
        case Isolation.NAMESPACE:
            return Plan(namespace.plan_steps(what))
        case Isolation.SANDBOX:
            raise _no_sandbox(spec.name)
        case _:
            assert_never(spec.isolation)


def fill_in(
    spec: ServiceSpec,
    ident: str,
    *,
    port: int,
    data_dir: str,
    cgroup: str,
    environ: Mapping[str, str],
) -> Launchable:
    """Fill a service's texts for one instance.

    `{name} {id} {data_dir} {socket} {port}` are replaced in command, args and environment, only
    the first two in `socket`; other braces stay as they are. The command is split before, so
    that a blank in a path does not split it.

    Raises:
        SpecError: The command cannot be split, or is empty.
    """
    data_dir = os.path.realpath(data_dir)
    own_dir = os.path.join(data_dir, spec.name, ident)
    values = {"name": spec.name, "id": ident}
    socket = fill(spec.socket, values)
    values |= {"data_dir": data_dir, "socket": socket, "port": str(port)}
    words = _split(spec) if spec.args is None else [spec.command, *spec.args]
    env = {"PATH": DEFAULT_PATH, **environ}
    env |= {name: fill(text, values) for name, text in spec.env.items()}
    env |= {"TEN_DATA_DIR": own_dir, "SOCKET_PATH": socket, "PORT": str(port)}
    return Launchable(
        name=instance_name(spec.name, ident),
        data_dir=data_dir,
        own_dir=own_dir,
        workdir=os.path.realpath(spec.workdir),
        socket=os.path.join(os.path.realpath(os.path.dirname(socket)), os.path.basename(socket)),
        argv=tuple(fill(word, values) for word in words),
        env=env,
        cgroup=cgroup,
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace `{key}` by its value; braces around anything else stay."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _split(spec: ServiceSpec) -> list[str]:
    key = f"service.{spec.name}.command"
    try:
        words = shlex.split(spec.command)
    except ValueError as error:
        hint = 'give the arguments as a list: args = ["..."]'
        raise SpecError(f"{key}: {error}".lower(), key=key, hint=hint) from error
    if not words:
        raise SpecError(f"{key} is empty", key=key)
    return words


def _no_sandbox(service: str) -> FeatureMissing:
    if shutil.which("runsc") is None:
        text = f'{service}: isolation = "sandbox" needs runsc, which is not installed'
        return FeatureMissing(text, hint="apt-get install runsc")
    text = f'{service}: isolation = "sandbox" is not supported by this version'
    return FeatureMissing(text, hint='use isolation = "namespace"')
