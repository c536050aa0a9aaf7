"""Where a request goes: from its host and path to a service or an instance, by one table.

The bare domain is the engine's, whatever else is said. Then come domains of services and
instances as they are written, then with a label for the `*`, then names under the domain.

`Router` is made once for each table; `Balancer` keeps what smooth weighted round robin has to
remember from request to request. Both are values and decisions only.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

from engine.core.doorwire import RouteState, WakeRule
from engine.core.names import is_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.core.doorwire import RouteInstance, RouteService, RouteTable

OWN_PATHS = ("/api", "/metrics", "/health", "/assets")
"""Paths of the bare domain that are the engine's whatever `[routing]` says."""


class ToApi(msgspec.Struct, frozen=True):
    """To the engine's own API."""


class ToInstance(msgspec.Struct, frozen=True):
    """To one instance, known or not. The service is known; the id is a valid label."""

    service: str
    ident: str


class ToService(msgspec.Struct, frozen=True):
    """To any instance of a service, by weight."""

    service: str


class Nowhere(msgspec.Struct, frozen=True):
    """No such service."""


class ByPath(msgspec.Struct, frozen=True):
    """The host alone does not decide: ask `Router.by_path`."""


Route = ToApi | ToInstance | ToService | Nowhere | ByPath


class Router:
    """Decides by host, without case, and by path where the host is the bare domain."""

    def __init__(self, table: RouteTable) -> None:
        """Read a table into the shapes that look-ups need."""
        self._domain = table.domain.lower()
        self._suffix = "." + self._domain
        self._services = {name.lower(): name for name in sorted(table.services, reverse=True)}
        self._idents = {
            name: {ident.lower(): ident for ident in sorted(service.instances, reverse=True)}
            for name, service in table.services.items()
        }
        rules = table.routing
        self._subdomains = {
            label.lower(): self._target(target) for label, target in rules.subdomain.items()
        }
        self._domains = {name: self._target(target) for name, target in rules.domain.items()}
        self._paths = sorted(
            ((prefix.rstrip("/"), self._target(target)) for prefix, target in rules.path.items()),
            key=lambda rule: -len(rule[0]),
        )
        self._default = self._target(rules.default) if rules.default else ToApi()

    def by_host(self, host: str) -> Route:
        """Decide by the value of a Host field, as it came."""
        name = host.partition(":")[0].lower().removesuffix(".")
        if self._domains and name != self._domain:
            rule = self._domains.get(name) or self._domains.get("*." + name.partition(".")[2])
            if rule is not None:
                return rule
        if not name.endswith(self._suffix):
            return ByPath() if self._paths or self._default != ToApi() else ToApi()
        rest = name[: -len(self._suffix)]
        rule = self._subdomains.get(rest)
        if rule is not None:
            return rule
        first, dot, second = rest.partition(".")
        return self._instance(second, first) if dot else self._service(first)

    def by_path(self, path: str) -> Route:
        """Decide by path, where the host is not that of a service."""
        path = path.partition("?")[0]
        if any(_is_under(path, own) for own in OWN_PATHS):
            return ToApi()
        for prefix, target in self._paths:
            if _is_under(path, prefix):
                return target
        return self._default

    def _target(self, text: str) -> Route:
        """Read "service" or "service:id" of a `[routing]` table."""
        service, colon, ident = text.partition(":")
        return self._instance(service, ident) if colon else self._service(service)

    def _service(self, name: str) -> Route:
        service = self._services.get(name.lower())
        return ToService(service) if service is not None else Nowhere()

    def _instance(self, name: str, ident: str) -> Route:
        service = self._services.get(name.lower())
        if service is None or not is_label(ident):
            return Nowhere()
        known = self._idents[service].get(ident.lower(), ident)
        return ToInstance(service, known)


def _is_under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] in "/?")


class Admission(Enum):
    """What a request has to do before it can go on."""

    GO = auto()
    WAIT = auto()
    WAKE = auto()
    UNKNOWN = auto()
    REFUSED = auto()


class Verdict(msgspec.Struct, frozen=True):
    """An admission and the ids it is about.

    Attributes:
        idents: GO: those that can take it. WAKE: the one to be woken. Else empty.
    """

    admission: Admission
    idents: tuple[str, ...] = ()


_WAIT = Verdict(Admission.WAIT)
_UNKNOWN = Verdict(Admission.UNKNOWN)
_REFUSED = Verdict(Admission.REFUSED)


def admit_direct(service: RouteService, ident: str) -> Verdict:
    """Decide for a request to one instance; weight and health do not matter to it."""
    instance = service.instances.get(ident)
    if instance is None:
        return Verdict(Admission.WAKE, (ident,)) if service.wake is WakeRule.ANY else _UNKNOWN
    match instance.state:
        case RouteState.UP:
            return Verdict(Admission.GO, (ident,))
        case RouteState.STARTING | RouteState.DRAINING:
            return _WAIT
        case RouteState.FROZEN:
            return Verdict(Admission.WAKE, (ident,))
        case RouteState.ASLEEP | RouteState.STOPPED | RouteState.FAILED:
            if service.wake is WakeRule.NEVER:
                return _REFUSED
            return Verdict(Admission.WAKE, (ident,))


def admit_weighted(service: RouteService) -> Verdict:
    """Decide for a request to a service: all that are up, else one is thawed, else wait, else wake.

    Weight 0 receives nothing. The one to be woken is the heaviest, by id among equals, so that
    all who wait agree on it. A failed one is left alone: a request to it by name wakes it.
    """
    weighted = {ident: it for ident, it in service.instances.items() if it.weight > 0}
    up = tuple(ident for ident, it in weighted.items() if it.state is RouteState.UP)
    if up:
        return Verdict(Admission.GO, up)
    frozen = [ident for ident, it in weighted.items() if it.state is RouteState.FROZEN]
    if frozen:
        return _wake_heaviest(weighted, frozen)
    states = {it.state for it in weighted.values()}
    if states & {RouteState.STARTING, RouteState.DRAINING}:
        return _WAIT
    asleep = [
        ident
        for ident, it in weighted.items()
        if it.state in (RouteState.ASLEEP, RouteState.STOPPED)
    ]
    if not asleep or service.wake is WakeRule.NEVER:
        return _REFUSED
    return _wake_heaviest(weighted, asleep)


def _wake_heaviest(instances: Mapping[str, RouteInstance], idents: list[str]) -> Verdict:
    chosen = min(idents, key=lambda ident: (-instances[ident].weight, ident))
    return Verdict(Admission.WAKE, (chosen,))


class Balancer:
    """Smooth weighted round robin over one service, fewest in flight among equals.

    With weights 5, 1, 1 the order is a a b a c a a: the heavy one is spread out, not in a row.
    Constant memory: one number for each id that is up. O(n) a pick.
    """

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        """Begin with equal chances."""
        self._credit: dict[str, int] = {}

    def pick(
        self,
        candidates: Iterable[tuple[str, int]],
        inflight: Callable[[str], int],
    ) -> str:
        """Choose among (id, weight) pairs; there is at least one, and weights are above 0.

        Args:
            candidates: Who can take the request.
            inflight: Requests under way at an id; asked only where credits are equal.
        """
        credit: dict[str, int] = {}
        total = 0
        chosen = ""
        best = -(1 << 62)
        for ident, weight in candidates:
            total += weight
            now = self._credit.get(ident, 0) + weight
            credit[ident] = now
            if now > best or (now == best and inflight(ident) < inflight(chosen)):
                chosen, best = ident, now
        credit[chosen] = best - total
        # Ids that are not candidates now lose their credit: back again, they begin as equals.
        self._credit = credit
        return chosen
