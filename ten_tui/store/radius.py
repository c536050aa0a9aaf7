"""What an act touches, said before it is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.core.wire import State
from ten_tui import format as fmt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.core.wire import InstanceView, Sample

_ANSWERS = frozenset({State.HEALTHY, State.DEGRADED})
_TAKES_AWAY = frozenset({"stop", "restart"})
_LISTED = 6


def who(names: tuple[str, ...]) -> str:
    """Name what an act is about: one by its name, several by their service, else their number.

    "api:alice", "12 instances of api", "3 instances of 2 services".
    """
    if len(names) == 1:
        return names[0]
    services = Counter(name.partition(":")[0] for name in names)
    number = fmt.plural(len(names), "instance")
    if len(services) == 1:
        return f"{number} of {next(iter(services))}"
    return f"{number} of {len(services)} services"


def to_type(names: tuple[str, ...]) -> str:
    """Give what must be typed to act where the engine is protected: a name, or a number."""
    if len(names) == 1:
        return names[0]
    services = {name.partition(":")[0] for name in names}
    return next(iter(services)) if len(services) == 1 else str(len(names))


def radius(
    word: str,
    names: tuple[str, ...],
    instances: Mapping[str, InstanceView],
    samples: Mapping[str, Sample],
) -> tuple[str, ...]:
    """Say what an act takes away: the requests on it, and services that nobody answers for then."""
    if word not in _TAKES_AWAY:
        return ()
    lines = []
    rate = sum(samples[name].requests for name in names if name in samples)
    if rate >= 0.1:
        lines.append(f"{fmt.rate(rate).strip()} req/s go there now")
    for service in sorted({name.partition(":")[0] for name in names}):
        serving = {
            one.name
            for one in instances.values()
            if one.service == service and one.state in _ANSWERS and one.weight
        }
        if serving and serving <= set(names):
            until = " until they are back" if word == "restart" else ""
            lines.append(f"nobody answers for {service}{until}")
    return tuple(lines)


def listed(names: tuple[str, ...]) -> tuple[str, ...]:
    """List names, the first few of many."""
    if len(names) <= _LISTED:
        return names
    return (*names[:_LISTED], f"and {len(names) - _LISTED} more")
