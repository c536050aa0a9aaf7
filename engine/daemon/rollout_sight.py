"""What a rollout sees of its instances, and how two of them are compared."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from engine.core import life
from engine.core.rollout import Seen
from engine.core.rollout_gate import Counters
from engine.core.templates import difference
from engine.core.wire import Desired, State
from engine.core.wire_rollout import Comparison, LineDifference, SettingDifference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.core.latency import Traffic
    from engine.core.spec import ServiceSpec
    from engine.core.wire import LogLine
    from engine.daemon.control import Control
    from engine.daemon.instance import Instance
    from engine.daemon.registry import Registry

LINES = 2000
"""So many of the newest lines of either side are compared."""

MAX_KINDS = 20

_TROUBLE = re.compile(r"(?i)error|exception|fatal|panic|critical|traceback|fail|refused")
_LOOK = 200
_MAX_TEXT = 200


def seen_of(
    names: Iterable[str], registry: Registry, traffic: Mapping[str, Traffic]
) -> dict[str, Seen]:
    """Look at instances, by their ids; those that do not exist are left out."""
    found = {}
    for name in names:
        instance = registry.instances.get(name)
        if instance is None:
            continue
        counted = traffic.get(name)
        counters = Counters(restarts=instance.life.restarts)
        if counted is not None:
            counters = Counters(
                requests=counted.requests,
                errors=counted.errors,
                buckets=tuple(counted.buckets),
                restarts=instance.life.restarts,
            )
        found[instance.id] = _seen(instance, counters)
    return found


def _seen(instance: Instance, counters: Counters) -> Seen:
    state, why = instance.life.state, instance.life.why
    is_right = not instance.digest or instance.digest == instance.wanted_digest
    reason = f": {why.summary}" if why is not None else ""
    return Seen(
        is_up=state in life.ROUTED and is_right,
        is_asleep=state in {State.ASLEEP, State.FROZEN},
        is_failed=state in {State.FAILED, State.BACKOFF},
        is_gone=instance.is_over() and instance.life.desired is Desired.STOPPED,
        text=f"{state.value}{reason}",
        counters=counters,
    )


async def compare(
    control: Control,
    old: tuple[str, ServiceSpec | None],
    new: tuple[str, ServiceSpec | None],
    since: float,
) -> Comparison:
    """Compare what two versions were deployed with, and the errors they write.

    Args:
        control: Where logs are read.
        old: Name of an instance and what was recorded for it.
        new: The same of the new side.
        since: Lines of the new side before this are of a life before, seconds since the epoch.
    """
    before, after = [await _lines(control, name) for name, _ in (old, new)]
    texts = [line.text for line in before if _is_trouble(line)]
    fresh = [line.text for line in after if _is_trouble(line) and line.time_ns >= since * 1e9]
    found = await asyncio.to_thread(difference, texts, fresh, MAX_KINDS)
    is_recorded = old[1] is not None and new[1] is not None
    return Comparison(
        old=old[0],
        new=new[0],
        is_recorded=is_recorded,
        settings=_settings(old[1], new[1]) if old[1] and new[1] else (),
        lines=tuple(LineDifference(each.template, each.old, each.new) for each in found),
    )


async def _lines(control: Control, name: str) -> list[LogLine]:
    if name not in control.log_names():
        return []
    return (await control.log_window(name, count=LINES)).lines


def _is_trouble(line: LogLine) -> bool:
    return line.stream == "stderr" or (
        line.stream == "stdout" and _TROUBLE.search(line.text, 0, _LOOK) is not None
    )


def _settings(old: ServiceSpec, new: ServiceSpec) -> tuple[SettingDifference, ...]:
    before, after = (_flat(msgspec.to_builtins(spec)) for spec in (old, new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return tuple(
        SettingDifference(key, before.get(key, ""), after.get(key, "")) for key in sorted(keys)
    )


def _flat(value: object, key: str = "") -> dict[str, str]:
    """Give the leaves of nested tables by their dotted keys, as text."""
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for name, inner in value.items():
            found |= _flat(inner, f"{key}.{name}" if key else str(name))
        return found
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return {key: text[:_MAX_TEXT]}
