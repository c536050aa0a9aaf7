"""What the console shows, as lines of text: for screen readers, dumb terminals and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ten_tui import format as fmt
from ten_tui.store.why import QUOTE, is_well, why_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.core.wire import Event, InstanceView
    from ten_tui.store.view import View

EVENTS_SHOWN = 10
_KEYS = {"restart": "`ten restart`", "toggle": "`ten spawn`", "undo": "`ten undo`"}
"""What the user does where there are no keys."""


def plain_lines(view: View) -> Iterator[str]:
    """Say all: the engine, the host, each instance with why it is not well, the newest events."""
    yield from _head(view)
    for name in sorted(view.instances):
        yield ""
        yield from instance_lines(view, view.instances[name])
    events = list(view.events)[-EVENTS_SHOWN:]
    if events:
        yield ""
        yield "Events, the newest last:"
        yield from (event_line(event) for event in events)


def _head(view: View) -> Iterator[str]:
    engine, host = view.engine, view.host
    if engine is not None:
        banner = f" ({fmt.clean(engine.banner)})" if engine.banner else ""
        only = ", read-only" if engine.read_only else ""
        yield f"{fmt.clean(engine.hostname)}{banner}: ten {engine.version} on {engine.url}{only}"
    counts = view.counts()
    states = ", ".join(f"{counts[state]} {state.value}" for state in fmt.SEVERITY if counts[state])
    yield f"Instances: {states or 'none'}"
    yield (
        f"Host: cpu {host.cpu_cores:.2f} of {host.cores} cores, "
        f"memory {fmt.size(host.memory_bytes)} of {fmt.size(host.memory_total_bytes)}, "
        f"{host.requests:.1f} requests/s, p95 {host.p95_ms:.0f} ms, {host.errors:.1f} errors/s"
    )
    if view.consoles:
        yield f"Attached: {fmt.attached(view.consoles)}"
    if view.config is not None and view.config.error:
        yield f"Config refused: {fmt.clean(view.config.error)}"


def instance_lines(view: View, one: InstanceView) -> Iterator[str]:
    """Say one instance: its state and figures, and why it is not well."""
    parts = [one.state.value]
    if one.pid:
        parts += _figures(view, one)
    if one.version:
        parts.append(f"version {fmt.clean(one.version)}")
    if one.restarts:
        parts.append(f"{fmt.plural(one.restarts, 'restart')}")
    yield f"{one.name}: {', '.join(parts)}"
    if is_well(one):
        return
    for fact in why_facts(one, view.now, _KEYS)[1:]:
        label = "  | " if fact.label == QUOTE else f"  {fact.label}: "
        yield label + fmt.clean(fact.text)


def _figures(view: View, one: InstanceView) -> list[str]:
    sample = view.sample(one.name)
    parts = [f"cpu {sample.cpu_cores:.2f} cores"]
    if one.started_at:
        parts.insert(0, f"up {fmt.long_duration(view.now - one.started_at)}")
    limit = sample.memory_limit_bytes
    of_limit = f" of {fmt.size(limit)}" if limit else ""
    parts.append(f"memory {fmt.size(sample.memory_bytes)}{of_limit}")
    if sample.requests or sample.errors:
        parts.append(f"{sample.requests:.1f} requests/s, p95 {sample.p95_ms:.0f} ms")
    if sample.errors:
        parts.append(f"{sample.errors:.1f} errors/s")
    if one.weight != 100:
        parts.append(f"weight {one.weight}")
    if one.address:
        parts.append(f"at {one.address}")
    return parts


def event_line(event: Event) -> str:
    """Say what happened, when, and who did it."""
    mark = {"error": "error: ", "warning": "warning: "}.get(event.level, "")
    who = "" if event.actor == "engine" else f" ({fmt.clean(event.actor)})"
    return f"{fmt.date_clock(event.time)} {mark}{fmt.clean(event.text)}{who}"
