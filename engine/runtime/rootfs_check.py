"""Whether `rootfs` and `mounts` of a service can be had, as far as that is known at load."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.core.config_table import short
from engine.core.hardening import Hardening
from engine.runtime.files import COVERED, PRIVATE
from engine.runtime.links import is_below
from engine.runtime.sight import why_engines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.spec import ServiceSpec


def whys(spec: ServiceSpec, data_dir: str) -> Iterator[tuple[str, str]]:
    """List what is in the way: the key, and the reason.

    A path with something to be filled in is looked at by the launch alone.

    Args:
        spec: The service.
        data_dir: The engine's, links resolved.
    """
    if spec.rootfs and "{" not in spec.rootfs and (reason := _why_no_root(spec.rootfs, data_dir)):
        yield "rootfs", f"rootfs {short(spec.rootfs)!r} {reason}"
    for bind in spec.mounts:
        if "{" not in bind.source and (reason := _why_no_source(bind.source, data_dir)):
            yield "mounts", f"mounts: {short(bind.source)!r} {reason}"
        elif reason := _why_no_target(spec, bind.target, data_dir):
            yield "mounts", f"mounts: {short(bind.target)!r} {reason}"


def _why_no_root(path: str, data_dir: str) -> str:
    if not os.path.lexists(path):
        return "is not there"
    if not os.path.isdir(path):
        return "is no directory"
    if not os.access(path, os.R_OK | os.X_OK):
        return "cannot be read by the engine's user"
    return why_engines(os.path.realpath(path), data_dir)


def _why_no_source(path: str, data_dir: str) -> str:
    if not os.path.exists(path):
        return "is not there"
    return why_engines(os.path.realpath(path), data_dir)


def _why_no_target(spec: ServiceSpec, target: str, data_dir: str) -> str:
    if target == data_dir or is_below(target, data_dir) or is_below(data_dir, target):
        return f"lies over the engine's folder {data_dir}, or in it"
    if spec.rootfs or os.path.exists(target):
        return ""
    is_off = spec.hardening.level is Hardening.OFF
    own = PRIVATE if is_off else tuple(COVERED)
    if any(is_below(target, os.path.realpath(place)) for place in own):
        return ""
    return f"is not there, and cannot be made: make it, or choose one below {', '.join(own[:5])}"
