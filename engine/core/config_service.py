"""One `[service.NAME]` table."""

from __future__ import annotations

import posixpath
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from engine.core.config_deploy import read_deploy
from engine.core.config_domains import read_domains
from engine.core.config_files import read_mounts, read_rootfs
from engine.core.config_hardening import read_hardening
from engine.core.config_idle import read_freeze_after, read_idle_cpu, read_idle_timeout
from engine.core.config_limits import read_limits
from engine.core.config_network import read_network, read_port
from engine.core.config_scale import read_scale
from engine.core.config_table import U32, short
from engine.core.config_user import read_user
from engine.core.nearest import did_you_mean
from engine.core.spec import Isolation, Restart, ServiceSpec, StorageAction, Wake

if TYPE_CHECKING:
    from engine.core.config_domains import Claims
    from engine.core.config_table import Table

OUT_OF_SCOPE_ISOLATION = ("firecracker", "qemu", "quark", "litebox")

_T = TypeVar("_T", bound=StrEnum)

_DAY_SECONDS = 86_400.0

_REFUSED = {
    "image": "container images are not supported",
    "kernel": "virtual machines are not supported",
    "vsock_port": "virtual machines are not supported",
}
"""Keys that change what would run: passing over them would run something else."""

_PASSED_OVER = ("memory_mb", "vcpus")
"""Keys of virtual machines and images."""


def read_service(
    table: Table, name: str, folder: str, *, declared: int, claims: Claims
) -> ServiceSpec:
    """Read a service.

    Args:
        table: Its table.
        name: Its name, checked.
        folder: Of the file.
        declared: How many ids `[instances]` gives it.
        claims: Domains that services before it have.

    Raises:
        SpecError: It is refused.
    """
    _refuse_out_of_scope(table)
    command = table.required("command")
    args = table.texts("args")
    _check_command(table, command, args)
    default = ServiceSpec(name=name, command=command)
    isolation = _read_isolation(table)
    network = read_network(table, isolation)
    rootfs = read_rootfs(table, isolation, folder)
    max_instances = _read_max_instances(table, default.max_instances, declared)
    spec = ServiceSpec(
        name=name,
        command=command,
        args=args,
        isolation=isolation,
        socket=resolve(folder, table.line("socket", default.socket)),
        health=_read_health(table),
        env=_read_env(table),
        workdir=_read_workdir(table, folder, rootfs),
        restart=_read_restart(table),
        idle_timeout_seconds=read_idle_timeout(table),
        freeze_after_seconds=read_freeze_after(table),
        idle_cpu_percent=read_idle_cpu(table),
        startup_timeout_seconds=table.count("startup_timeout", 10),
        request_timeout_seconds=table.count("request_timeout", 30),
        stop_grace_seconds=table.seconds("stop_grace", default.stop_grace_seconds, _DAY_SECONDS),
        drain_seconds=table.seconds("drain", default.drain_seconds, _DAY_SECONDS),
        memory_limit_mb=table.count("memory_limit_mb", 0, U32),
        cpu_shares=table.count("cpu_shares", 0, U32),
        limits=read_limits(table),
        storage_quota_mb=table.count("storage_quota_mb", 0, U32),
        storage_action=_read_storage_action(table, isolation),
        storage_persist=table.flag("storage_persist", default=True),
        max_instances=max_instances,
        wake=_read_wake(table),
        log_limit_bytes=_read_log_limit(table, default.log_limit_bytes),
        access_log=table.flag("access_log", default=default.access_log),
        hardening=read_hardening(table, isolation),
        user=read_user(table),
        network=network,
        port=read_port(table, network),
        rootfs=rootfs,
        mounts=read_mounts(table, isolation, folder),
        domains=read_domains(table, name, claims),
        deploy=read_deploy(table),
        scale=read_scale(table, declared=declared, max_instances=max_instances),
    )
    _pass_over(table)
    table.finish()
    return spec


def _refuse_out_of_scope(table: Table) -> None:
    for key, reason in _REFUSED.items():
        if key in table:
            table.fail(key, f"{key} is out of scope: {reason}")


def _pass_over(table: Table) -> None:
    """Warn about keys whose only users were refused before."""
    for key in _PASSED_OVER:
        if key in table:
            table.ignore(key)
            table.warn(key, f"{key} has no effect: it is for virtual machines and images")


def _check_command(table: Table, command: str, args: tuple[str, ...] | None) -> None:
    if args is not None:
        if not command:
            table.fail("command", "command is empty")
        return
    try:
        words = shlex.split(command)
    except ValueError as error:
        hint = "close the quote, or give the program as command and the rest as args"
        table.fail("command", f"command cannot be split: {str(error).lower()}", hint=hint)
    if not words or not words[0]:
        table.fail("command", "command is empty")


def _read_workdir(table: Table, folder: str, rootfs: str) -> str:
    """Read `workdir`; with a root of its own it is a path in there."""
    if not rootfs:
        return resolve(folder, table.line("workdir", "."))
    text = table.line("workdir", "/")
    if not text.startswith("/"):
        message = f"workdir {short(text)!r} must be a whole path: with rootfs it is one in there"
        table.fail("workdir", message)
    return posixpath.normpath(text)


def _read_isolation(table: Table) -> Isolation:
    text = table.text("isolation", Isolation.NAMESPACE)
    if text in OUT_OF_SCOPE_ISOLATION:
        message = f"isolation = {text!r} is out of scope: virtual machines are not supported"
        table.fail("isolation", message, hint=_one_of(Isolation))
    return _choice(table, "isolation", text, Isolation)


def _choice(table: Table, key: str, text: str, kind: type[_T]) -> _T:
    try:
        return kind(text)
    except ValueError:
        names = ", ".join(f"`{each}`" for each in kind)
        table.fail(key, f"unknown variant `{short(text)}`, expected one of {names}")


def _one_of(kind: type[StrEnum]) -> str:
    return "use " + " or ".join(f'"{each}"' for each in kind)


def _read_wake(table: Table) -> Wake:
    return _choice(table, "wake", table.text("wake", Wake.ANY), Wake)


def _read_storage_action(table: Table, isolation: Isolation) -> StorageAction:
    text = table.text("storage_action", StorageAction.WARN)
    action = _choice(table, "storage_action", text, StorageAction)
    if action is StorageAction.READONLY and isolation is not Isolation.NAMESPACE:
        message = f'storage_action = "readonly" cannot be had with isolation = "{isolation}"'
        hint = 'its folder is a mount of its own only with isolation = "namespace"'
        table.fail("storage_action", message, hint=hint)
    if action is StorageAction.HARD and isolation is Isolation.PROCESS:
        message = 'storage_action = "hard" cannot be had with isolation = "process"'
        hint = 'a program with nothing around it takes its files out of the quota; use "namespace"'
        table.fail("storage_action", message, hint=hint)
    if "storage_action" in table and "storage_quota_mb" not in table:
        table.warn("storage_action", "storage_action has no effect without storage_quota_mb")
    return action


def _read_restart(table: Table) -> Restart:
    """Read the policy; the peer takes any text, so a text that says nothing is no error."""
    text = table.text("restart", Restart.ON_FAILURE)
    try:
        return Restart(text)
    except ValueError:
        message = f"unknown restart policy {short(text)!r}: on-failure is used"
        advice = did_you_mean(text.lower(), Restart)
        table.warn("restart", f"{message}; {advice}" if advice else message)
        return Restart.ON_FAILURE


def _read_health(table: Table) -> str | None:
    path = table.line("health", "/")
    if "health" not in table:
        return None
    if not path.startswith("/"):
        table.fail("health", f"health {short(path)!r} must start with '/'")
    if " " in path:
        table.fail("health", f"health {short(path)!r} must not hold spaces")
    return path


def _read_env(table: Table) -> dict[str, str]:
    env = table.text_table("env")
    for name in env:
        if not name or "=" in name or "\0" in name:
            path = (*table.path, "env", name)
            message = f"{name!r} cannot be the name of a variable"
            table.source.fail(message, path, is_value=False)
    return env


def _read_max_instances(table: Table, default: int, declared: int) -> int:
    """Read the bound; without one, what is declared is never too much."""
    bound = table.count("max_instances", default, U32, minimum=1)
    if "max_instances" not in table:
        return max(default, declared)
    if declared > bound:
        message = f"{declared} instances are declared, max_instances = {bound}"
        table.fail("max_instances", message)
    return bound


def _read_log_limit(table: Table, default: int) -> int:
    mb = table.count("log_limit_mb", default // 2**20, U32, minimum=1)
    return mb * 2**20


def resolve(folder: str, path: str) -> str:
    """Make a path absolute: relative ones are under the folder of the file."""
    return posixpath.normpath(posixpath.join(folder, path))
