"""Where requests go, by table, and who takes them."""

from collections import Counter

import pytest

from engine.core.doorwire import (
    RouteInstance,
    RouteRules,
    RouteService,
    RouteState,
    RouteTable,
    WakeRule,
)
from engine.core.routing import (
    Admission,
    Balancer,
    ByPath,
    Nowhere,
    Router,
    ToApi,
    ToInstance,
    ToService,
    Verdict,
    admit_direct,
    admit_weighted,
)

UP, STARTING, DRAINING = RouteState.UP, RouteState.STARTING, RouteState.DRAINING
ASLEEP, STOPPED, FAILED = RouteState.ASLEEP, RouteState.STOPPED, RouteState.FAILED


def service(wake=WakeRule.ANY, **states):
    """Make a service of ids with a state, or a (state, weight)."""
    pairs = {
        ident: state if isinstance(state, tuple) else (state, 100)
        for ident, state in states.items()
    }
    instances = {
        ident: RouteInstance(state=state, weight=weight, port=30000)
        for ident, (state, weight) in pairs.items()
    }
    return RouteService(wake=wake, instances=instances)


def router(rules=None, domain="localhost", **services):
    services = services or {"api": service(alice=UP), "Web": service(Prod=UP)}
    table = RouteTable(version=1, domain=domain, services=services, routing=rules or RouteRules())
    return Router(table)


@pytest.mark.parametrize(
    ("host", "route"),
    [
        ("alice.api.localhost", ToInstance("api", "alice")),
        ("alice.api.localhost:8080", ToInstance("api", "alice")),
        ("alice.api.localhost.", ToInstance("api", "alice")),
        ("alice.api.localhost.:80", ToInstance("api", "alice")),
        ("ALICE.Api.LocalHost", ToInstance("api", "alice")),
        ("prod.web.localhost", ToInstance("Web", "Prod")),
        ("new.api.localhost", ToInstance("api", "new")),
        ("api.localhost", ToService("api")),
        ("WEB.localhost", ToService("Web")),
        ("nosuch.localhost", Nowhere()),
        ("alice.nosuch.localhost", Nowhere()),
        ("x.alice.api.localhost", Nowhere()),
        ("localhost", ToApi()),
        ("LOCALHOST:8080", ToApi()),
        ("127.0.0.1", ToApi()),
        ("[::1]:8080", ToApi()),
        ("example.com", ToApi()),
        ("apilocalhost", ToApi()),
        ("", ToApi()),
        (".localhost", Nowhere()),
        (".api.localhost", Nowhere()),
        ("-x.api.localhost", Nowhere()),
        ("x_.api.localhost", Nowhere()),
        ("%2e%2e.api.localhost", Nowhere()),
        ("a" * 64 + ".api.localhost", Nowhere()),
        ("a" * 63 + ".api.localhost", ToInstance("api", "a" * 63)),
        ("~root.api.localhost", Nowhere()),
    ],
)
def test_by_host(host, route):
    assert router().by_host(host) == route


def test_a_domain_of_several_labels():
    routes = router(domain="Ten.Example.com")
    assert routes.by_host("api.ten.example.com") == ToService("api")
    assert routes.by_host("api.example.com") == ToApi()
    assert routes.by_host("alice.api.TEN.example.com") == ToInstance("api", "alice")


def test_names_that_differ_by_case_only_keep_to_the_first():
    routes = router(api=service(A=UP, a=UP))
    assert routes.by_host("a.api.localhost") == ToInstance("api", "A")


def test_subdomain_rules_come_before_services():
    rules = RouteRules(subdomain={"WWW": "Web", "api": "Web:Prod", "old.api": "api:alice"})
    routes = router(rules)
    assert routes.by_host("www.localhost") == ToService("Web")
    assert routes.by_host("api.localhost") == ToInstance("Web", "Prod")
    assert routes.by_host("old.api.localhost") == ToInstance("api", "alice")
    assert routes.by_host("alice.api.localhost") == ToInstance("api", "alice")


def test_a_rule_to_nothing_leads_nowhere():
    assert router(RouteRules(subdomain={"www": "gone"})).by_host("www.localhost") == Nowhere()


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/docs", ToService("Web")),
        ("/docs/", ToService("Web")),
        ("/docs/a?b", ToService("Web")),
        ("/docs?x=/api", ToService("Web")),
        ("/docs/v1", ToInstance("api", "alice")),
        ("/docs/v1/x", ToInstance("api", "alice")),
        ("/docsx", ToService("api")),
        ("/", ToService("api")),
        ("/api/instances", ToApi()),
        ("/api", ToApi()),
        ("/apix", ToService("api")),
        ("/health", ToApi()),
        ("/metrics?x", ToApi()),
        ("/assets/a.js", ToApi()),
    ],
)
def test_by_path_and_default(path, route):
    rules = RouteRules(
        default="api", path={"/docs": "Web", "/docs/v1/": "api:alice", "/api": "Web"}
    )
    routes = router(rules)
    assert routes.by_host("localhost") == ByPath()
    assert routes.by_host("203.0.113.7") == ByPath()
    assert routes.by_path(path) == route


def test_without_default_the_rest_is_the_api():
    assert router(RouteRules(path={"/docs": "Web"})).by_path("/other") == ToApi()


# --- admission ---


@pytest.mark.parametrize(
    ("state", "wake", "verdict"),
    [
        (UP, WakeRule.NEVER, Verdict(Admission.GO, ("a",))),
        ((UP, 0), WakeRule.NEVER, Verdict(Admission.GO, ("a",))),
        (STARTING, WakeRule.ANY, Verdict(Admission.WAIT)),
        (DRAINING, WakeRule.NEVER, Verdict(Admission.WAIT)),
        (ASLEEP, WakeRule.ANY, Verdict(Admission.WAKE, ("a",))),
        (STOPPED, WakeRule.KNOWN, Verdict(Admission.WAKE, ("a",))),
        (FAILED, WakeRule.ANY, Verdict(Admission.WAKE, ("a",))),
        (ASLEEP, WakeRule.NEVER, Verdict(Admission.REFUSED)),
        (RouteState.FROZEN, WakeRule.NEVER, Verdict(Admission.WAKE, ("a",))),
    ],
)
def test_direct(state, wake, verdict):
    assert admit_direct(service(wake, a=state), "a") == verdict


@pytest.mark.parametrize(
    ("wake", "verdict"),
    [
        (WakeRule.ANY, Verdict(Admission.WAKE, ("new",))),
        (WakeRule.KNOWN, Verdict(Admission.UNKNOWN)),
        (WakeRule.NEVER, Verdict(Admission.UNKNOWN)),
    ],
)
def test_an_id_never_seen(wake, verdict):
    assert admit_direct(service(wake, a=UP), "new") == verdict


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ({"a": UP, "b": UP}, Verdict(Admission.GO, ("a", "b"))),
        ({"a": UP, "b": (UP, 0)}, Verdict(Admission.GO, ("a",))),
        ({"a": UP, "b": STARTING, "c": DRAINING}, Verdict(Admission.GO, ("a",))),
        ({"a": STARTING, "b": ASLEEP}, Verdict(Admission.WAIT)),
        ({"a": DRAINING}, Verdict(Admission.WAIT)),
        ({"a": RouteState.FROZEN, "b": UP}, Verdict(Admission.GO, ("b",))),
        ({"a": STARTING, "b": RouteState.FROZEN}, Verdict(Admission.WAKE, ("b",))),
        ({"a": ASLEEP, "b": (RouteState.FROZEN, 1)}, Verdict(Admission.WAKE, ("b",))),
        ({"a": (ASLEEP, 10), "b": (STOPPED, 20)}, Verdict(Admission.WAKE, ("b",))),
        ({"b": ASLEEP, "a": STOPPED}, Verdict(Admission.WAKE, ("a",))),
        ({"a": FAILED, "b": ASLEEP}, Verdict(Admission.WAKE, ("b",))),
        ({"a": FAILED}, Verdict(Admission.REFUSED)),
        ({"a": (UP, 0)}, Verdict(Admission.REFUSED)),
        ({"a": (ASLEEP, 0)}, Verdict(Admission.REFUSED)),
        ({}, Verdict(Admission.REFUSED)),
    ],
)
def test_weighted(states, verdict):
    assert admit_weighted(service(**states)) == verdict


def test_weighted_wakes_nothing_where_that_is_forbidden():
    assert admit_weighted(service(WakeRule.NEVER, a=ASLEEP)) == Verdict(Admission.REFUSED)


# --- balance ---


def picks(count, weights, inflight=None):
    balancer = Balancer()
    loads = inflight or {}
    return [balancer.pick(weights.items(), lambda ident: loads.get(ident, 0)) for _ in range(count)]


def test_the_heavy_one_is_spread_out():
    assert "".join(picks(7, {"a": 5, "b": 1, "c": 1})) == "aabacaa"


def test_shares_are_exact_over_a_round():
    assert Counter(picks(300, {"a": 100, "b": 50, "c": 150})) == {"a": 100, "b": 50, "c": 150}


def test_the_least_busy_comes_first_among_equals():
    assert picks(3, {"a": 1, "b": 1, "c": 1}, {"a": 9, "b": 5, "c": 0}) == ["c", "b", "a"]


def test_one_that_leaves_and_comes_back_begins_as_an_equal():
    balancer = Balancer()
    both = {"a": 1, "b": 1}.items()
    for _ in range(50):
        balancer.pick({"a": 1}.items(), lambda _: 0)
    assert Counter(balancer.pick(both, lambda _: 0) for _ in range(10)) == {"a": 5, "b": 5}


# --- domains of their own ---


@pytest.mark.parametrize(
    ("host", "route"),
    [
        ("app.example.com", ToService("api")),
        ("APP.Example.Com.:8080", ToService("api")),
        ("alice.example.com", ToInstance("api", "alice")),
        ("x.shop.example.com", ToService("Web")),
        ("www.shop.example.com", ToInstance("Web", "Prod")),
        ("x.y.shop.example.com", ToApi()),
        ("shop.example.com", ToApi()),
        (".shop.example.com", ToService("Web")),
        ("*.shop.example.com", ToService("Web")),
        ("other.example.com", ToApi()),
        ("xapp.example.com", ToApi()),
        ("localhost", ToApi()),
        ("web.localhost", ToService("api")),
        ("alice.api.localhost", ToInstance("api", "alice")),
        ("", ToApi()),
        (".", ToApi()),
    ],
)
def test_by_domain(host, route):
    domains = {
        "app.example.com": "api",
        "alice.example.com": "api:alice",
        "*.shop.example.com": "Web",
        "www.shop.example.com": "Web:Prod",
        "web.localhost": "api",
        "localhost": "api",
    }
    assert router(RouteRules(domain=domains)).by_host(host) == route
