"""What can be asked about rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

from engine.core.rollout_plan import Plan
from engine.core.wire_rollout import Comparison, RolloutView
from ten_tui.client.paths import query_of

if TYPE_CHECKING:
    from collections.abc import Mapping


T = TypeVar("T")


class Client(Protocol):
    """What is needed of a client."""

    def ask(self, method: str, path: str, shape: type[T], body: object = None) -> T:
        """Ask for something."""
        ...


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


def difference(client: Client, service: str, old: str = "", new: str = "") -> Comparison:
    """Compare two versions, by default those of the last rollout."""
    path = f"{PATH}/{quote(service)}/difference{query_of(old=old, new=new)}"
    return client.ask("GET", path, Comparison)


def every(client: Client) -> list[RolloutView]:
    """Give the last one of each service."""
    return client.ask("GET", PATH, list[RolloutView])


def order(client: Client, service: str, what: str) -> RolloutView:
    """Steer one: pause, resume, promote, abort, rollback or undo."""
    return client.ask("POST", f"{PATH}/{quote(service)}/{what}", RolloutView)
