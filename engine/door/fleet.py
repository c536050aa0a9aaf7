"""The table in force, compiled: from a Host header to what a request may do.

Everything that depends on the table alone is decided once for each host and kept until the next
table, which replaces all of it in one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.core.doorwire import RouteService, RouteState, RouteTable
from engine.core.names import instance_name
from engine.core.proxies import TrustedProxies
from engine.core.routing import (
    Admission,
    Balancer,
    ByPath,
    Nowhere,
    Route,
    Router,
    ToApi,
    ToInstance,
    ToService,
    Verdict,
    admit_direct,
    admit_weighted,
)
from engine.core.supplywire import Home
from engine.door.backend import Backend, Inside
from engine.door.figures import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.doorwire import RouteInstance
    from engine.door.backend import Address
    from engine.door.board import Board

API_SOCKET = "api.sock"
"""Relative: a door runs in the directory it is in."""

API_SECONDS = 30.0
"""How long the engine has for the head of an answer; while it is away, requests wait so long."""

HOSTS_LIMIT = 4096
"""Hosts whose route is remembered; they are forgotten together."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may do under one table.

    Attributes:
        admission: As `engine.core.routing` decides it.
        key: Requests with the same key wait in the same queue: "service:id" or "service".
        candidates: (id, weight) of who can take it, where it may go.
        backends: By id.
        wakes: Instance to be woken, "" where none is.
        wakes_from: One of `doorwire.WAKES`: what it is woken from.
        balancer: For a service by weight.
        is_api: It goes to the engine, which is told who asks.
        is_logged: It is written down in an access log, that of `log_name` unless another takes it.
    """

    admission: Admission
    key: str = ""
    request_timeout: float = 30.0
    startup_timeout: float = 10.0
    candidates: tuple[tuple[str, int], ...] = ()
    backends: dict[str, Backend] = {}
    wakes: str = ""
    wakes_from: str = ""
    balancer: Balancer | None = None
    is_api: bool = False
    is_logged: bool = False
    log_name: str = ""

    def pick(self, failed: frozenset[str], now: float) -> Backend | None:
        """Choose who takes a request, passing over ids that failed it already, or just now."""
        candidates = self.candidates
        if len(candidates) > 1:
            backends = self.backends
            well = tuple(pair for pair in candidates if not backends[pair[0]].is_passed_over(now))
            candidates = well or candidates
        if failed:
            candidates = tuple(pair for pair in candidates if pair[0] not in failed)
        if not candidates:
            return None
        if len(candidates) == 1 or self.balancer is None:
            chosen = self.backends[candidates[0][0]]
        else:
            chosen = self.backends[self.balancer.pick(candidates, self._inflight)]
        chosen.begin_try(now)
        return chosen

    def _inflight(self, ident: str) -> int:
        return self.backends[ident].traffic.inflight


class Fleet:
    """All a door knows of where requests go.

    Attributes:
        version: Of the table in force, 0 before the first.
        domain: The domain served, for requests that name no host.
        proxies: Whose word on who asks is taken; another object once that has changed.
        limits: Of clients that come now.
        front_uid: Of the Caddy in front, -1: there is none.
    """

    def __init__(
        self, domain: str, on_drained: Callable[[], None], board: Board | None = None
    ) -> None:
        """Begin with an empty table: everything but the API is unknown."""
        self._on_drained = on_drained
        self._board = board
        self._backends: dict[str, Backend] = {}
        self._gone: list[Traffic] = []
        self._balancers: dict[str, Balancer] = {}
        self._trust: tuple[tuple[str, ...], bool] = ((), False)
        self.proxies = TrustedProxies()
        api = Backend("", Traffic("", lambda: None, None))
        api.move(API_SOCKET, is_up=True)
        self._api = Choice(
            admission=Admission.GO,
            request_timeout=API_SECONDS,
            candidates=(("", 1),),
            backends={"": api},
            is_api=True,
        )
        self.apply(RouteTable(version=0, domain=domain))

    def apply(self, table: RouteTable) -> None:
        """Put a table in force."""
        self.version = table.version
        self.domain = table.domain
        self.limits = table.limits
        self.front_uid = table.front_uid
        if self._trust != (table.trusted_proxies, table.proxy_protocol):
            self._trust = table.trusted_proxies, table.proxy_protocol
            self.proxies = TrustedProxies(table.trusted_proxies, speak_first=table.proxy_protocol)
        self._table = table
        self._router = Router(table)
        self._hosts: dict[bytes, Choice | None] = {}
        self._choices: dict[Route, Choice] = {}
        self._balancers = {name: self._balancers.get(name) or Balancer() for name in table.services}
        known = {
            instance_name(service, ident): instance
            for service, spec in table.services.items()
            for ident, instance in spec.instances.items()
        }
        for name in [name for name in self._backends if name not in known]:
            backend = self._backends.pop(name)
            backend.move(("", 0), is_up=False)
            # The engine waits for the word that nothing is under way there.
            backend.traffic.is_draining = backend.traffic.is_changed = True
            self._gone.append(backend.traffic)
        for name, instance in known.items():
            self._place(name, instance)
        self._tidy()

    def put(self, name: str, entry: RouteInstance) -> tuple[str, ...]:
        """Put the entry of one instance in force, in the place of the one in the table.

        O(hosts remembered). One that the table does not have stays unknown: a table is on its
        way.

        Returns: The keys of the requests that it may matter to.
        """
        service, _, ident = name.partition(":")
        spec = self._table.services.get(service)
        if spec is None or ident not in spec.instances:
            return ()
        spec.instances[ident] = entry
        self._place(name, entry)
        keys = (name, service)
        self._choices.pop(ToInstance(service, ident), None)
        self._choices.pop(ToService(service), None)
        for host in [h for h, it in self._hosts.items() if it is not None and it.key in keys]:
            del self._hosts[host]
        return keys

    def _place(self, name: str, instance: RouteInstance) -> None:
        """Have the backend of an instance be as its entry says."""
        backend, state = self._backend(name), instance.state
        is_frozen = state is RouteState.FROZEN
        backend.move(_address_of(instance), is_up=state is RouteState.UP, is_frozen=is_frozen)
        traffic = backend.traffic
        is_ending = state in (RouteState.DRAINING, RouteState.FROZEN)
        # Of one that is frozen for long there is nothing to tell with every table.
        traffic.is_changed |= is_ending and (
            state is RouteState.DRAINING or not traffic.is_draining
        )
        traffic.is_draining = is_ending

    def choose(self, host: bytes | None, target: bytes) -> Choice:
        """Tell what a request may do; `host` is as it came, checked for its form."""
        host = host or b""  # HTTP/1.0 that names none
        if host in self._hosts:
            choice = self._hosts[host]
        else:
            if len(self._hosts) >= HOSTS_LIMIT:
                # Also what was compiled for them: invented names must not fill the memory.
                self._hosts.clear()
                self._choices.clear()
            route = self._router.by_host(host.decode("ascii"))
            choice = None if isinstance(route, ByPath) else self._compile(route)
            self._hosts[host] = choice
        if choice is not None:
            return choice
        return self._compile(self._router.by_path(target.decode("ascii")))

    def homes(self) -> set[Home]:
        """Give the network namespaces that the table names."""
        addresses = [backend.address for backend in self._backends.values()]
        return {each.home for each in addresses if isinstance(each, Inside)}

    def logged_services(self) -> set[str]:
        """Name the services whose access log is on."""
        return {name for name, spec in self._table.services.items() if spec.access_log}

    def backends(self) -> list[Backend]:
        """List all, the API's too."""
        return [*self._backends.values(), self._api.backends[""]]

    def told_traffic(self) -> list[Traffic]:
        """List those that drain, or did when they went, of which there is something to tell."""
        self._tidy()
        every = [backend.traffic for backend in self._backends.values()] + self._gone
        return [one for one in every if one.is_draining and one.is_changed]

    def _tidy(self) -> None:
        """Forget those that are no more, once nothing is under way or to be told."""
        kept = [one for one in self._gone if one.inflight or (one.is_draining and one.is_changed)]
        for one in self._gone:
            if one not in kept:
                one.leave()
        self._gone = kept

    def tell_all_anew(self) -> None:
        """Have the next word to the engine name all that drain: a new engine asks."""
        for backend in self._backends.values():
            backend.traffic.is_changed |= backend.traffic.is_draining

    @property
    def has_draining(self) -> bool:
        """Tell whether there are instances that drain, or are no more."""
        every = (backend.traffic for backend in self._backends.values())
        return bool(self._gone) or any(traffic.is_draining for traffic in every)

    def _backend(self, name: str) -> Backend:
        backend = self._backends.get(name)
        if backend is None:
            # A name that comes back while its last requests are under way counts on with them.
            left = next((one for one in self._gone if one.name == name), None)
            if left is not None:
                self._gone.remove(left)
            backend = Backend(name, left or Traffic(name, self._on_drained, self._board))
            self._backends[name] = backend
        return backend

    def _compile(self, route: Route) -> Choice:
        choice = self._choices.get(route)
        if choice is None:
            choice = self._choices[route] = self._make_choice(route)
        return choice

    def _make_choice(self, route: Route) -> Choice:
        match route:
            case ToApi():
                return self._api
            case ToInstance(service, ident):
                spec = self._table.services[service]
                return self._admitted(service, spec, ident)
            case ToService(service):
                return self._admitted(service, self._table.services[service], None)
            case Nowhere() | ByPath():
                return Choice(admission=Admission.UNKNOWN)

    def _admitted(self, service: str, spec: RouteService, ident: str | None) -> Choice:
        verdict = admit_weighted(spec) if ident is None else admit_direct(spec, ident)
        is_go = verdict.admission is Admission.GO
        names = {one: instance_name(service, one) for one in verdict.idents}
        return Choice(
            admission=verdict.admission,
            key=service if ident is None else instance_name(service, ident),
            request_timeout=spec.request_timeout,
            startup_timeout=spec.startup_timeout,
            candidates=tuple((one, spec.instances[one].weight) for one in names if is_go),
            backends={one: self._backend(name) for one, name in names.items() if is_go},
            wakes="" if is_go else next(iter(names.values()), ""),
            wakes_from=_rest_of(spec, verdict),
            balancer=self._balancers[service] if ident is None else None,
            is_logged=spec.access_log and verdict.admission is not Admission.UNKNOWN,
            log_name="" if ident is None else instance_name(service, ident),
        )


def _rest_of(spec: RouteService, verdict: Verdict) -> str:
    """Say what the one to be woken is woken from; "" where there is none."""
    if verdict.admission is not Admission.WAKE:
        return ""
    found = [spec.instances[one].state for one in verdict.idents if one in spec.instances]
    return "frozen" if RouteState.FROZEN in found else "asleep"


def _address_of(instance: RouteInstance) -> Address:
    if instance.pid:
        return Inside(Home(instance.pid, instance.start_ticks), instance.port)
    return instance.host, instance.port
