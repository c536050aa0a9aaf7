"""What can be asked about rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.core.rollout_plan import Plan
from engine.core.wire_rollout import RolloutView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ten_tui.client.client import Client

PATH = "/api/rollouts"


def start(client: Client, service: str, version: str, values: Mapping[str, str]) -> RolloutView:
    """Begin one; `values` by the keys of `[service.NAME.deploy]`."""
    body = {"service": service, "version": version, **values}
    return client.ask("POST", PATH, RolloutView, body)


def show(client: Client, service: str) -> RolloutView:
    """Give the last one of a service."""
    return client.ask("GET", f"{PATH}/{quote(service)}", RolloutView)


def plan(client: Client, service: str) -> Plan:
    """Give how versions of a service are rolled out where nothing else is said."""
    return client.ask("GET", f"{PATH}/{quote(service)}/plan", Plan)


def every(client: Client) -> list[RolloutView]:
    """Give the last one of each service."""
    return client.ask("GET", PATH, list[RolloutView])


def order(client: Client, service: str, what: str) -> RolloutView:
    """Steer one: pause, resume, promote, abort or rollback."""
    return client.ask("POST", f"{PATH}/{quote(service)}/{what}", RolloutView)
