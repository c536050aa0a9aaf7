"""`ten deploy --strategy`, `ten rollback` and `ten rollout`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from engine.core.errors import EngineUnreachable
from engine.core.names import split_instance
from engine.core.sanitize import sanitize
from ten_tui.cli.main import EXIT_FAILED, EXIT_INTERRUPTED, client_of
from ten_tui.cli.watching import Watch, can_redraw
from ten_tui.client import rollouts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from engine.core.rollout_gate import Counters
    from engine.core.wire_rollout import Comparison, RolloutView
    from ten_tui.client import Client

LOOK_SECONDS = 0.3

AWAY_SECONDS = 30.0
"""An engine that is killed is back in a moment: so long it may be away while one is followed."""

KEYS = ("strategy", "steps", "pause", "window", "max_errors", "max_p95", "min_requests")

GOOD = frozenset({"promoted", "closing", "done"})


def deploy(options: argparse.Namespace) -> int:
    """Begin a rollout, and follow it until all the traffic has gone over or has come back."""
    service, version = split_instance(options.instance)
    said = {key: getattr(options, key) for key in KEYS if getattr(options, key)}
    with client_of(options) as client:
        view = rollouts.start(client, service, version, said)
        print(f"Deploying {options.instance} ({view.strategy})")
        return _follow(client, view, is_detached=options.detach, is_inline=options.inline)


def rollback(options: argparse.Namespace) -> int:
    """Go back to the version before, also when the rollout is done."""
    with client_of(options) as client:
        before = rollouts.show(client, options.service)
        view = rollouts.order(client, options.service, "rollback")
        is_new = view.begun_at != before.begun_at
        return _follow(
            client,
            view,
            is_detached=options.detach,
            is_back=not is_new,
            is_inline=options.inline,
        )


def rollout(options: argparse.Namespace) -> int:
    """Show or steer a rollout."""
    with client_of(options) as client:
        found: RolloutView | Comparison
        match options.action:
            case "diff":
                found = rollouts.difference(client, options.service)
                lines = differences(found)
            case "status":
                found = rollouts.show(client, options.service)
                lines = table(found)
            case action:
                found = rollouts.order(client, options.service, action)
                lines = table(found)
    if options.json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    for line in lines:
        print(line)
    return 0


def differences(found: Comparison) -> list[str]:
    """Lay out what two versions differ in."""
    lines = [f"{found.old} -> {found.new}"]
    for each in found.settings:
        lines += [f"{each.key}:", f"  - {sanitize(each.old)}", f"  + {sanitize(each.new)}"]
    if not found.settings:
        unknown = "what they were deployed with is not recorded"
        lines.append("deployed with the same" if found.is_recorded else unknown)
    lines.append(f"error lines:{'' if found.lines else ' none'}")
    for kind in found.lines:
        lines.append(f"  {kind.old:>6} -> {kind.new:>6}  {sanitize(kind.template)}")
    return lines


def _follow(
    client: Client,
    view: RolloutView,
    *,
    is_detached: bool,
    is_back: bool = False,
    is_inline: bool = False,
) -> int:
    """Print what changes until nothing more is to be waited for; give the exit code."""
    service = view.service
    tell = _teller(is_inline=is_inline and not is_detached)
    try:
        while True:
            tell(view)
            if is_detached:
                print(f"It goes on: ten rollout status {service}")
                return 0
            if view.is_over or view.state in GOOD:
                break
            time.sleep(LOOK_SECONDS)
            view = _look(client, service)
    except KeyboardInterrupt:
        print(f"\nDetached; the rollout goes on: ten rollout status {service}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if view.state == "promoted":
        print(f"Until the window closes, ten rollback {service} goes back at once")
    is_good = view.state == "rolled back" if is_back else view.state in GOOD
    return 0 if is_good else EXIT_FAILED


def _teller(*, is_inline: bool) -> Callable[[RolloutView], None]:
    """Give what tells of a rollout: in one place, or a line for each change."""
    if is_inline and can_redraw():
        watch = Watch()
        return lambda view: watch.draw(view, time.time())  # noqa: TID251 - of the wall, as its own
    told = ""

    def tell(view: RolloutView) -> None:
        nonlocal told
        line = summary(view)
        if line != told:
            print(line, flush=True)
            told = line

    return tell


def _look(client: Client, service: str) -> RolloutView:
    """Look again; an engine that is just being started anew is waited for."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return rollouts.show(client, service)
        except EngineUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)


def summary(view: RolloutView) -> str:
    """Say in a line where it is."""
    weights = ", ".join(f"{name} {weight}" for name, weight in sorted(view.weights.items()))
    place = f"step {view.step} of {view.steps}"
    is_on = view.state in {"starting", "observing", "paused"}
    text = f"{view.state}, {place}" if is_on else view.state
    reason = f": {view.reason}" if view.reason else ""
    return f"{view.service}: {text} ({weights}){reason}"


def table(view: RolloutView) -> list[str]:
    """Lay out all there is to know of a rollout."""
    lines = [
        f"Service:  {view.service}",
        f"Strategy: {view.strategy}",
        f"State:    {view.state}, step {view.step} of {view.steps}",
        f"New:      {', '.join(view.news)}",
        f"Old:      {', '.join(view.olds)}",
        "Weights:  " + ", ".join(f"{name} {view.weights[name]}" for name in sorted(view.weights)),
    ]
    if view.reason:
        lines.append(f"Reason:   {view.reason}")
    if view.new is not None and view.old is not None:
        lines += [f"New did:  {_said(view.new)}", f"Old did:  {_said(view.old)}"]
        if view.new.requests < view.min_requests:
            few = f"fewer than {view.min_requests} requests in this step"
            lines.append(f"Note:     {few}: judged by health and restarts alone")
    return lines


def _said(counters: Counters) -> str:
    from engine.core.latency import percentile

    p95 = percentile(counters.buckets, 0.95) if counters.requests else 0.0
    return f"{counters.requests} requests, {counters.error_share:.2%} failed, p95 {p95:.0f} ms"
