"""Commands on instances, with the peer's output."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.core.errors import EngineUnreachable, NotFound, Refused, TenError
from engine.core.names import split_instance
from engine.core.wire import State
from ten_tui.cli.main import client_of

if TYPE_CHECKING:
    import argparse

    from ten_tui.client import Client
    from ten_tui.client.records import Running

_WIDTHS = (20, 20, 10, 10, 8, 6)
_HEAD = ("INSTANCE", "LISTEN", "UPTIME", "IDLE", "HEALTH", "WEIGHT")
_HEALTH_COLUMN = 4
_COLOURS = {"healthy": "32", "degraded": "33", "unhealthy": "31", "failed": "31", "unknown": "2"}
_DOWN = frozenset({State.STOPPED, State.ASLEEP, State.FAILED, State.BACKOFF})
_OF_ROLLOUTS = (
    "strategy",
    "steps",
    "pause",
    "window",
    "max_errors",
    "max_p95",
    "min_requests",
    "detach",
)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def name_of(text: str) -> str:
    """Check an instance's name as the user typed it.

    Raises:
        Refused: It is not "service:id".
    """
    split_instance(text)
    return text


def age(seconds: int) -> str:
    """Say a time as its largest whole unit: "5s", "3m", "2h", "1d"."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def row(one: Running, *, is_coloured: bool = False) -> str:
    """Lay out one instance."""
    cells = (
        one.id,
        one.socket,
        age(one.uptime_secs),
        age(one.idle_secs),
        one.health,
        str(one.weight),
    )
    return _lay_out(cells, is_coloured=is_coloured)


def _lay_out(cells: tuple[str, ...], *, is_coloured: bool) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)]
    if is_coloured and (colour := _COLOURS.get(cells[_HEALTH_COLUMN])):
        padded[_HEALTH_COLUMN] = f"\x1b[{colour}m{padded[_HEALTH_COLUMN]}\x1b[0m"
    return " ".join(padded)


def ps(options: argparse.Namespace) -> int:
    """List what runs with its figures and, on a terminal or with --all, the rest with its state.

    Into a pipe it is what the peer prints, so that scripts which read it go on working.
    """
    is_all = getattr(options, "all", False) or sys.stdout.isatty()
    with client_of(options) as client:
        listed = {one.id: one for one in client.running()}
        states = _states(client)
        url = _url(client)
    running = sum(states.get(name, State.HEALTHY) not in _DOWN for name in listed)
    shown = {*listed, *states} if is_all else set(listed)
    if not shown:
        print("No running instances")
        print(f"Server: {url}")
        return 0
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(" ".join(f"{text:<{width}}" for text, width in zip(_HEAD, _WIDTHS, strict=True)))
    for name in sorted(shown):
        if name in listed:
            print(row(listed[name], is_coloured=is_coloured))
        else:
            cells = (name, "-", "-", "-", states[name].value, "-")
            print(_lay_out(cells, is_coloured=is_coloured))
    print()
    print(f"{running} instance(s) running on {url}")
    return 0


def _states(client: Client) -> dict[str, State]:
    """Give the state of every known instance; nothing from a server that is the peer's."""
    try:
        return {one.name: one.state for one in client.instances()}
    except EngineUnreachable:
        raise
    except TenError:
        return {}


def _url(client: Client) -> str:
    """Give the address to print: the door's, where the engine itself was asked by its socket."""
    if client.endpoint.url:
        return client.endpoint.url
    try:
        return client.engine().url
    except TenError:
        return client.endpoint.where


def spawn(options: argparse.Namespace) -> int:
    """Start an instance."""
    name = name_of(options.instance)
    with client_of(options) as client:
        spawned = client.spawn(name)
    print(f"Spawned {name}")
    if spawned.port:  # the peer's server says no more than that
        print(f"Listening on {spawned.address or f'127.0.0.1:{spawned.port}'}")
    return 0


def stop(options: argparse.Namespace) -> int:
    """Stop an instance."""
    name = name_of(options.instance)
    with client_of(options) as client:
        client.stop(name)
    print(f"Stopped {name}")
    return 0


def restart(options: argparse.Namespace) -> int:
    """Restart an instance."""
    name = name_of(options.instance)
    with client_of(options) as client:
        client.restart(name)
    print(f"Restarted {name}")
    return 0


def undo(options: argparse.Namespace) -> int:
    """Take back the last act on an instance."""
    name = name_of(options.instance)
    with client_of(options) as client:
        try:
            what = client.undo(name)
        except NotFound as error:
            raise NotFound(f"Instance not found: {name}", hint=error.hint) from None
    print(f"Undone for {name}: {what}")
    return 0


def health(options: argparse.Namespace) -> int:
    """Probe an instance."""
    name = name_of(options.instance)
    with client_of(options) as client:
        print(f"{name}: {client.check_health(name)}")
    return 0


def weight(options: argparse.Namespace) -> int:
    """Set a weight."""
    name = name_of(options.instance)
    with client_of(options) as client:
        client.set_weight(name, options.weight)
    print(f"Set {name} weight to {options.weight}")
    return 0


def deploy(options: argparse.Namespace) -> int:
    """Start a version and wait for it; with a strategy, roll it out."""
    service, version = split_instance(options.instance)
    is_said = any(getattr(options, key) for key in _OF_ROLLOUTS)
    if is_said and options.weight is not None:
        hint = "a rollout moves the weights itself"
        raise Refused("--weight cannot be had with a rollout", hint=hint)
    if is_said or (options.weight is None and _has_strategy(options, service)):
        from ten_tui.cli.rollouts import deploy as roll_out

        return roll_out(options)
    weight = 100 if options.weight is None else options.weight
    with client_of(options) as client:
        print(f"Deploying {options.instance} with weight {weight}")
        print(f"Waiting for health check (timeout: {options.timeout}s)...", flush=True)
        done = client.deploy(service, version, weight=weight, timeout=options.timeout)
    print(f"Deployed {done.instance}")
    print(f"Weight: {done.weight}")
    print(f"Status: {done.status}")
    return 0


def _has_strategy(options: argparse.Namespace, service: str) -> bool:
    """Ask whether the service is configured with one; a server that is the peer's knows none."""
    from ten_tui.client import rollouts

    with client_of(options) as client:
        try:
            return rollouts.plan(client, service).strategy is not None
        except EngineUnreachable:
            raise
        except TenError:
            return False


def route(options: argparse.Namespace) -> int:
    """Swap the traffic of two versions."""
    with client_of(options) as client:
        done = client.route(options.service, options.source, options.target)
    print(f"Routed traffic: {done.from_instance} -> {done.to_instance}")
    print(f"  {done.from_instance} weight = {done.from_weight}")
    print(f"  {done.to_instance} weight = {done.to_weight}")
    return 0
