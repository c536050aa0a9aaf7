"""Shares by weight are exact, and no host whatever leads out of its service."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.core.doorwire import RouteInstance, RouteService, RouteState, RouteTable
from engine.core.names import is_label
from engine.core.routing import Balancer, Router, ToInstance, ToService

IDENTS = st.text("abcdefgh", min_size=1, max_size=2)
ROUTER = Router(
    RouteTable(
        version=1,
        domain="example.com",
        services={"api": RouteService(instances={"Bob": RouteInstance(state=RouteState.UP)})},
    )
)


@given(st.dictionaries(IDENTS, st.integers(1, 100), min_size=1, max_size=8), st.randoms())
def test_after_a_round_each_had_its_share(weights, random):
    balancer = Balancer()
    picks = [
        balancer.pick(weights.items(), lambda _: random.randint(0, 3))
        for _ in range(sum(weights.values()))
    ]
    assert Counter(picks) == weights


@given(st.lists(st.dictionaries(IDENTS, st.integers(1, 100), min_size=1, max_size=6), max_size=20))
def test_whoever_comes_and_goes_only_candidates_are_chosen(rounds):
    balancer = Balancer()
    for weights in rounds:
        assert balancer.pick(weights.items(), lambda _: 0) in weights
        assert set(balancer._credit) == set(weights)


@given(st.one_of(st.text(), st.text("abAB.-_%/:[]").map(lambda text: text + ".api.example.com")))
def test_whatever_the_host_an_instance_has_a_valid_name(host):
    route = ROUTER.by_host(host)
    if isinstance(route, ToInstance):
        assert route.service == "api"
        assert is_label(route.ident)
        assert route.ident == "Bob" or route.ident == route.ident.lower()
    if isinstance(route, ToService):
        assert route.service == "api"
