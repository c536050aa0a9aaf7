"""Whether this host can give what a configuration asks for: known at load, not at the first spawn.

One place for all of it. A check is a function that takes the configuration and yields what is
lacking, each with the key that asks for it; it is added to `CHECKS`. `serve`, every reload and
`ten config` go through `admit`.
"""

from __future__ import annotations

import grp
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from engine.core.config import source_of
from engine.core.config_table import short
from engine.core.config_user import AUTO
from engine.core.errors import FeatureMissing
from engine.core.hardening import Hardening
from engine.core.limits import KEYS, PEER_KEYS, asked
from engine.core.network import Network
from engine.core.spec import Isolation, StorageAction
from engine.kernel import seccomp, userns
from engine.kernel.cgroup import find_tree
from engine.kernel.controllers import survey
from engine.kernel.gvisor import why_no_sandbox
from engine.runtime import caddy, outbound, platforms, users
from engine.runtime.quotas import why_none
from engine.runtime.resolver import resolvers
from engine.runtime.rootfs_check import whys
from engine.runtime.trial import try_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.core.spec import Config
    from engine.core.toml_places import Path


@dataclass(frozen=True)
class Lack:
    """Something asked for that this host cannot give.

    Attributes:
        place: The key that asks for it, ("service", "api", "isolation").
        reason: What is asked for and why it cannot be had.
        fix: The line that helps, or "".
        is_refused: Whether the configuration cannot be used so; else it is a warning.
    """

    place: Path
    reason: str
    fix: str = ""
    is_refused: bool = True


def admit(config: Config, *, is_tried: bool = True) -> Config:
    """Give the configuration with warnings about this host added.

    Args:
        config: As it was read.
        is_tried: Also try things out, which takes 0.1 s; not where `serve` has just done that.

    Raises:
        SpecError: This host cannot give what it asks for; with the place of the first such key.
    """
    lacks = check(config, is_tried=is_tried)
    if not lacks:
        return config
    source = source_of(config)
    for lack in lacks:
        if lack.is_refused:
            source.fail(lack.reason, lack.place, hint=lack.fix)
        source.warn(f"{lack.reason} ({lack.fix})" if lack.fix else lack.reason, lack.place)
    return msgspec.structs.replace(config, warnings=(*config.warnings, *source.warnings))


def check(config: Config, *, is_tried: bool = True) -> list[Lack]:
    """List what this host lacks for a configuration."""
    return [lack for each in CHECKS for lack in each(config, is_tried)]


def _check_namespaces(config: Config, is_tried: bool) -> Iterator[Lack]:
    """Isolation `namespace`: by the kernel's switches, then by the launch itself."""
    names = [
        name for name, spec in config.services.items() if spec.isolation is Isolation.NAMESPACE
    ]
    if not names:
        return
    reason, fix = why_no_namespaces(is_tried=is_tried)
    if reason:
        place = ("service", names[0], "isolation")
        others = f" (so do {', '.join(names[1:])})" if names[1:] else ""
        text = f'{names[0]}: isolation = "namespace"{others} {reason}'
        yield Lack(place, text, f'{fix}; or use isolation = "process"')


def why_no_namespaces(*, is_tried: bool = True) -> tuple[str, str]:
    """Say why isolation `namespace` cannot be had, and what helps; ("", "") where it can."""
    is_root = userns.has_capability("sys_admin")
    reason, fix = ("", "") if is_root else userns.why_no_user_namespace()
    if reason:
        return f"without root needs user namespaces: {reason}", fix
    trial = try_out(Isolation.NAMESPACE) if is_tried else None
    if trial is None or trial.is_good:
        return "", ""
    fix = (
        trial.fix
        or "let unshare(2) and mount(2) through: a container's filter or a chroot forbids them"
    )
    return f"cannot be had here: {trial.step}: {trial.reason}", fix


def _check_networks(config: Config, is_tried: bool) -> Iterator[Lack]:
    """A network of its own: by the launch itself, where the namespaces it needs can be had."""
    names = [name for name, spec in config.services.items() if spec.network.is_own]
    if not names or not is_tried or why_no_namespaces()[0]:
        return
    trial = try_out(Isolation.NAMESPACE, Network.PRIVATE)
    if not trial.is_good:
        place = ("service", names[0], "network")
        text = f"{names[0]}: a network of its own cannot be had here: {trial.step}: {trial.reason}"
        fix = "sysctl -w user.max_net_namespaces=10000, and let a container make them"
        yield Lack(place, text, f'{fix}; or use network = "host"')


def _check_outbound(config: Config, is_tried: bool) -> Iterator[Lack]:
    """A way out: by making one, then whether its addresses and resolvers fit this host."""
    names = [name for name, spec in config.services.items() if spec.network is Network.OUTBOUND]
    if not names:
        return
    reason, fix = outbound.why_no_outbound(is_tried=is_tried)
    if reason:
        text = f'{names[0]}: network = "outbound" cannot be had here: {reason}'
        yield Lack(("service", names[0], "network"), text, fix)
        return
    asked = config.settings.outbound
    if found := outbound.overlapping(asked.range):
        text = f"outbound_range {asked.range} overlaps with this host's {', '.join(found[:3])}"
        yield Lack(("settings", "outbound_range"), text, "choose another outbound_range")
    if not resolvers(asked):
        text = f"{names[0]}: no resolver of this host can be reached from an instance"
        fix = 'name one: outbound_dns = ["..."] in [settings]'
        yield Lack(("service", names[0], "network"), text, fix, is_refused=False)


def _check_sandboxes(config: Config, is_tried: bool) -> Iterator[Lack]:
    """Isolation `sandbox`: by what is installed, then by running it."""
    names = [name for name, spec in config.services.items() if spec.isolation is Isolation.SANDBOX]
    if not names:
        return
    reason, fix = why_no_sandbox()
    text = f'isolation = "sandbox" {reason}'
    if not reason and is_tried:
        try:
            platforms.choose(config.settings.data_dir)
        except FeatureMissing as error:
            reason, text, fix = str(error), str(error), error.hint
    if reason:
        others = f" (as do {', '.join(names[1:])})" if names[1:] else ""
        yield Lack(("service", names[0], "isolation"), f"{names[0]}{others}: {text}", fix)


def _check_seccomp(config: Config, is_tried: bool) -> Iterator[Lack]:
    """Without libseccomp, "strict" is refused; "default" goes on with a warning."""
    del is_tried
    reason, fix = seccomp.why_missing()
    for name, spec in config.services.items():
        level = spec.hardening.level
        if reason and spec.isolation is Isolation.NAMESPACE and level is not Hardening.OFF:
            is_refused = level is Hardening.STRICT
            text = f'{name}: hardening = "{level}" without a filter of system calls: {reason}'
            place = ("service", name, "hardening" if is_refused else "command")
            yield Lack(place, text, fix, is_refused)


def _check_users(config: Config, _: bool) -> Iterator[Lack]:
    """`user`: that there is such a user, and that this process may become it."""
    for name, spec in config.services.items():
        try:
            users.check(spec)
        except FeatureMissing as error:
            yield Lack(("service", name, "user"), str(error), error.hint)
    if any(users.chosen_user(spec) == AUTO for spec in config.services.values()):
        first, last = config.settings.user_range
        if reason := users.why_not_range(first, last):
            yield Lack(("settings", "user_range"), reason, "choose another user_range")


def _check_limits(config: Config, _: bool) -> Iterator[Lack]:
    """Limits: by the controllers there are.

    The peer's keys are warned about only, as files written for it are to load everywhere;
    `settings.require_limits` makes all of them an error, or none.
    """
    said, found = config.settings.require_limits, survey()
    for name, spec in config.services.items():
        peers = [peer for peer in PEER_KEYS if getattr(spec, peer)]
        for key in (*asked(spec.limits), *peers):
            missing = found.missing.get(KEYS[PEER_KEYS.get(key, key)].controller)
            if missing is not None:
                is_own = key not in PEER_KEYS
                yield Lack(
                    ("service", name, key),
                    f"{name}: {key} cannot be kept here: {missing.reason}",
                    _or_without(missing.fix, said),
                    is_refused=said if said is not None else is_own,
                )


def _or_without(fix: str, require_limits: bool | None) -> str:
    """Add how to do without a limit, where that is not what is done already."""
    if require_limits is False:
        return fix
    return f"{fix}; or settings.require_limits = false, to run without it"


def _check_freezing(config: Config, _: bool) -> Iterator[Lack]:
    """`freeze_after`: a signal would do it without cgroups, but programs and shells see that."""
    names = [name for name, spec in config.services.items() if spec.freeze_after_seconds]
    if names and find_tree() is None:
        text = f"{names[0]}: freeze_after needs a cgroup v2 tree that the engine may write to"
        fix = "run as root or in a unit with Delegate=yes; or use idle_timeout alone"
        yield Lack(("service", names[0], "freeze_after"), text, fix)


def _check_capabilities(config: Config, _: bool) -> Iterator[Lack]:
    """Low ports of the host belong to its own user namespace (capabilities(7)), not to ours."""
    if userns.has_capability("sys_admin"):
        return
    for name, spec in config.services.items():
        is_host = spec.isolation is Isolation.NAMESPACE and not spec.network.is_own
        if is_host and "net_bind_service" in spec.hardening.capabilities:
            text = f"{name}: net_bind_service does not reach the host's ports without root"
            fix = 'run the engine as root, or take it out: a service listens on its "PORT"'
            yield Lack(("service", name, "capabilities"), text, fix)


def _check_folders(config: Config, _: bool) -> Iterator[Lack]:
    """A folder that is not there may well come before the first start: a warning."""
    for name, spec in config.services.items():
        if spec.workdir and not spec.rootfs and not os.path.isdir(spec.workdir):
            is_there = os.path.exists(spec.workdir)
            what = "is no directory" if is_there else "is not there, or not to be seen"
            text = f"{name}: workdir {spec.workdir!r} {what}"
            yield Lack(("service", name, "workdir"), text, is_refused=False)


def _check_files(config: Config, _: bool) -> Iterator[Lack]:
    """`rootfs` and `mounts`: that they are there, and lead to nothing of the engine's."""
    data_dir = os.path.realpath(config.settings.data_dir)
    for name, spec in config.services.items():
        for key, reason in whys(spec, data_dir):
            yield Lack(("service", name, key), f"{name}: {reason}")


def _check_admin_group(config: Config, _: bool) -> Iterator[Lack]:
    """Without it nobody but root and the engine's user is let in: a warning."""
    if group := config.settings.admin_group:
        try:
            grp.getgrnam(group)
        except KeyError:
            text = f"admin_group: there is no group {short(group)!r} on this host"
            yield Lack(("settings", "admin_group"), text, is_refused=False)


def _check_certificates(config: Config, _: bool) -> Iterator[Lack]:
    """Certificates from files: that they are there, and each with its own key."""
    for index, key, reason in caddy.refused_certificates(config.settings.tls):
        yield Lack(("settings", "tls", "certificates", index, key), reason)


def _check_tls(config: Config, _: bool) -> Iterator[Lack]:
    """TLS that is switched on in the file: that there is a Caddy."""
    if config.settings.tls.enabled:
        reason, fix = caddy.why_missing()
        if reason:
            yield Lack(("settings", "tls", "enabled"), f"TLS cannot be served: {reason}", fix)


def _check_quotas(config: Config, _: bool) -> Iterator[Lack]:
    """Hard quotas: by the data directory's file system, and by what keeps a program in them."""
    names = [
        name
        for name, spec in config.services.items()
        if spec.storage_action is StorageAction.HARD and spec.storage_quota_mb
    ]
    reason, fix = why_none(config.settings.data_dir) if names else ("", "")
    for name in names:
        place, spec = ("service", name, "storage_action"), config.services[name]
        if reason:
            text = f'{name}: storage_action = "hard" cannot be kept here: {reason}'
            said = config.settings.require_limits
            yield Lack(place, text, _or_without(fix, said), said is not False)
        is_free = spec.hardening.level is Hardening.OFF or bool(seccomp.why_missing()[0])
        if spec.isolation is Isolation.NAMESPACE and is_free:
            text = f'{name}: storage_action = "hard" needs the filter of system calls: without it'
            text += " a program takes its files out of the quota"
            yield Lack(place, text, 'leave hardening at "default"; apt-get install libseccomp2')


CHECKS: tuple[Callable[[Config, bool], Iterator[Lack]], ...] = (
    _check_namespaces,
    _check_networks,
    _check_outbound,
    _check_sandboxes,
    _check_seccomp,
    _check_users,
    _check_limits,
    _check_freezing,
    _check_quotas,
    _check_capabilities,
    _check_folders,
    _check_files,
    _check_admin_group,
    _check_certificates,
    _check_tls,
)
"""Each takes the configuration, and whether it may try things out."""
