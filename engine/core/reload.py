"""What a change of the configuration means for the instances that run."""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING

import msgspec

from engine.core.names import instance_name, split_instance
from engine.core.spec import RESTART_FIELDS, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.spec import Config, Settings


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, by instance name; each list in order.

    Attributes:
        start: Declared instances that were not declared before.
        stop: Instances whose service is gone.
        restart: Instances that run on fields that are no longer true.
        warnings: One line each: what only a restart of `ten serve` would apply.
    """

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def spec_digest(spec: ServiceSpec) -> str:
    """Tell apart what a running instance cannot take without a restart."""
    fields = {name: getattr(spec, name) for name in sorted(RESTART_FIELDS)}
    data = msgspec.json.encode(fields, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:16]


def declared(config: Config) -> tuple[str, ...]:
    """Name the instances of `[instances]`, in the file's order."""
    return tuple(instance_name(service, ident) for service, ident in config.instances)


def change_between(old: Config, new: Config, running: Mapping[str, str]) -> Change:
    """Compare two configurations with what runs.

    Args:
        old: The one in force.
        new: The one to come.
        running: The digest each known instance's process was started with, "" where there is
            no process.
    """
    before = set(declared(old))
    digests = {name: spec_digest(spec) for name, spec in new.services.items()}
    stop, restart = [], []
    for name, digest in running.items():
        service, _ = split_instance(name)
        if service not in new.services:
            stop.append(name)
        elif digest and digest != digests[service]:
            restart.append(name)
    return Change(
        start=tuple(name for name in declared(new) if name not in before),
        stop=tuple(stop),
        restart=tuple(restart),
        warnings=tuple(_waiting(old.settings, new.settings)),
    )


def _waiting(old: Settings, new: Settings) -> list[str]:
    changed = {
        "settings.data_dir": old.data_dir != new.data_dir,
        **{
            f"settings.tls.{key}": getattr(old.tls, key) != getattr(new.tls, key)
            for key in ("enabled", "domain", "https_port", "http_port")
        },
    }
    return [
        f"{key} changed: it takes effect when ten serve is started anew"
        for key, is_changed in changed.items()
        if is_changed
    ]


def unified(old: str, new: str) -> str:
    """Give a unified diff of two texts, "" where they are the same."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "in force", "on disk", lineterm="", n=3
    )
    return "\n".join(lines)
