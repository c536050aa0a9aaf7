"""Plans: an instance's launch as small steps that can be printed before they are carried out.

Made here from values, carried out by the keeper in the process that becomes the program.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, assert_never

import msgspec

from engine.core.errors import FeatureMissing, SpecError
from engine.core.names import instance_name
from engine.core.spec import Isolation
from engine.kernel.gvisor import why_no_sandbox
from engine.runtime import namespace, process, sandbox
from engine.runtime.steps import DEFAULT_PATH, Launchable, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.core.network import Way
    from engine.core.spec import ServiceSpec
    from engine.runtime.sandbox import Gvisor
    from engine.runtime.users import Account

__all__ = ["Plan", "Step", "build_plan"]

_PLACEHOLDER = re.compile(r"\{(name|id|data_dir|socket|port)\}")


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


def build_plan(
    spec: ServiceSpec,
    ident: str,
    *,
    port: int,
    data_dir: str,
    cgroup: str,
    environ: Mapping[str, str],
    pass_env: Sequence[str],
    secret: Sequence[str] = (),
    written: Sequence[str] = (),
    account: Account | None = None,
    way: Way | None = None,
    gvisor: Gvisor | None = None,
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
        secret: Files that no instance is to see.
        written: Folders that instances of other services may write, links resolved.
        account: Whom it runs as; None: as the engine.
        way: The network made for it, where that is made before.
        gvisor: As it runs here, for isolation `sandbox`.

    Raises:
        SpecError: The command cannot be split.
        FeatureMissing: This host cannot isolate it so.
    """
    what = fill_in(
        spec,
        ident,
        port=port,
        data_dir=data_dir,
        cgroup=cgroup,
        environ={name: environ[name] for name in pass_env if name in environ},
        secret=secret,
        written=written,
        account=account,
        way=way,
    )
    match spec.isolation:
        case Isolation.PROCESS:
            return Plan(process.plan_steps(what))
        case Isolation.NAMESPACE:
            return Plan(namespace.plan_steps(what))
        case Isolation.SANDBOX:
            return Plan(sandbox.plan_steps(what, gvisor or _no_sandbox(spec.name)))
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
    secret: Sequence[str] = (),
    written: Sequence[str] = (),
    account: Account | None = None,
    way: Way | None = None,
) -> Launchable:
    """Fill a service's texts for one instance.

    `{name} {id} {data_dir} {socket} {port}` are replaced in command, args and environment, only
    the first two in `socket`, `rootfs` and the sources of `mounts`; other braces stay as they
    are. The command is split before, so that a blank in a path does not split it.

    Raises:
        SpecError: The command cannot be split, or is empty.
    """
    data_dir = os.path.realpath(data_dir)
    own_dir = os.path.join(data_dir, spec.name, ident)
    names = {"name": spec.name, "id": ident}
    socket = fill(spec.socket, names)
    values = names | {"data_dir": data_dir, "socket": socket, "port": str(port)}
    words = _split(spec) if spec.args is None else [spec.command, *spec.args]
    env = {"PATH": DEFAULT_PATH, **environ}
    if spec.rootfs:
        env["PATH"] = DEFAULT_PATH  # that of the engine names folders of the host
    if account is not None:
        env |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
    own_env = {name: fill(text, values) for name, text in spec.env.items()}
    env |= own_env
    env |= {"TEN_DATA_DIR": own_dir, "SOCKET_PATH": socket, "PORT": str(port)}
    return Launchable(
        name=instance_name(spec.name, ident),
        data_dir=data_dir,
        own_dir=own_dir,
        workdir=spec.workdir if spec.rootfs else os.path.realpath(spec.workdir),
        socket=os.path.join(os.path.realpath(os.path.dirname(socket)), os.path.basename(socket)),
        argv=tuple(fill(word, values) for word in words),
        env=env,
        cgroup=cgroup,
        hardening=spec.hardening,
        named=tuple(own_env.values()),
        secret=tuple(os.path.realpath(path) for path in secret),
        account=account,
        network=spec.network,
        port=port,
        way=way,
        rootfs=fill(spec.rootfs, names),
        written=tuple(written),
        mounts=tuple(
            msgspec.structs.replace(each, source=fill(each.source, names)) for each in spec.mounts
        ),
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


def _no_sandbox(service: str) -> NoReturn:
    reason, fix = why_no_sandbox()
    text = f'{service}: isolation = "sandbox" {reason or "was not tried on this host"}'
    raise FeatureMissing(text, hint=fix)
