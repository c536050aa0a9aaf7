"""Hosts: the odd and the hostile start nothing and reach nothing; domains lead where they should.

The service is one whose instances any request may make, so what is no name must be known as such.
"""

import re
import time

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from engine.core.doorwire import RouteRules, RouteService, RouteState
from tests.e2e.door_apps import say, upstream
from tests.e2e.door_rig import body_of, door, instance, status_of

HOSTILE = [
    '"',
    "'",
    '"a".api.localhost',
    "a'b.api.localhost",
    "a/b.api.localhost",
    "../a.api.localhost",
    "..%2fa.api.localhost",
    "%2e%2e.api.localhost",
    "%00.api.localhost",
    "a%.api.localhost",
    "%61.api.localhost",
    "a\\b.api.localhost",
    "a b.api.localhost",
    " .api.localhost",
    "a\tb.api.localhost",
    "a" * 250 + ".api.localhost",
    "a" * 64 + ".api.localhost",
    "a." * 120 + "api.localhost",
    ".api.localhost",
    "..api.localhost",
    "...",
    ".",
    "a..api.localhost",
    "-a.api.localhost",
    "a-.api.localhost",
    "_a.api.localhost",
    "a_.api.localhost",
    "~.api.localhost",
    "~root.api.localhost",
    "*.api.localhost",
    "$HOME.api.localhost",
    "$(id).api.localhost",
    "`id`.api.localhost",
    "a;id.api.localhost",
    "a|b.api.localhost",
    "a&b.api.localhost",
    "<a>.api.localhost",
    "{a}.api.localhost",
    "{id}.api.localhost",
    "[a].api.localhost",
    "a@b.api.localhost",
    "a,b.api.localhost",
    "a:b.api.localhost",
    "a.api.localhost:x",
    "a.api.localhost:80:80",
    "a=b.api.localhost",
    "a+b.api.localhost",
    "a?.api.localhost",
    "a#.api.localhost",
    "ä.api.localhost",
    "アリス.api.localhost",
    "\u0430.api.localhost",
    "a\u200b.api.localhost",
    "a\u202e.api.localhost",
    "\uff41.api.localhost",
    "a。api。localhost",
    "a.ap\u0131.localhost",
    "a.api.localhost\x00",
    "a.api.localhost\x00.example.com",
    "a.api.localhost\x7f",
    "a.api.localhost/",
    "a.api.localhost?x",
    "http://a.api.localhost",
    "x.a.api.localhost",
    "a.nosuch.localhost",
    "nosuch.localhost",
    "a.api.localhost.example.com",
    "a.api.notlocalhost",
]


NOWHERE = RouteRules(default="gone")
"""What is for no service is for nobody, so that nothing waits for an API that is not there."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with door(tmp_path_factory.mktemp("door")) as rig:
        stopped = instance(state=RouteState.STOPPED, weight=0)
        service = RouteService(instances={"zero": stopped}, startup_timeout=0.1)
        rig.table(api=service, routing=NOWHERE)
        yield rig


def ask(rig, host: bytes) -> bytes:
    return rig.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")


def test_hostile_hosts_start_nothing(rig):
    wrong = {}
    for host in HOSTILE:
        answer = ask(rig, host.encode())
        if status_of(answer) not in (400, 404):
            wrong[host] = answer
    while rig.read(0.2):
        pass
    assert wrong == {}
    assert rig.wakes == []


SIGNS = st.sampled_from([*"aA0-_.%~*\"'/\\ :@,[]{}$\t\x7f", "\u00e4", "\u0430", "api", "localhost"])


@settings(max_examples=150, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(SIGNS, max_size=8), st.sampled_from([".api.localhost", ".localhost", "", ".api"]))
@example(["a"], ".api.localhost")
def test_only_names_wake(rig, signs, end):
    """What is woken has a name, and one that the host really says."""
    host = "".join(signs) + end
    rig.wakes.clear()
    status = status_of(ask(rig, host.encode()))
    while rig.read(0.0):
        pass
    if status == 503 and not rig.wakes:
        time.sleep(0.01)
        rig.read(0.05)
    for name in rig.wakes:
        ident = name.removeprefix("api:")
        assert re.fullmatch(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", ident), name
        assert host.strip(" \t").lower().startswith(f"{ident}.api.localhost")
    rig.wakes.clear()


def test_domains_of_services_and_instances(rig):
    with upstream(say(b"shop")) as shop, upstream(say(b"alice")) as alice:
        domains = {"shop.example.com": "shop", "*.example.org": "shop:a", "me.example.org": "api:b"}
        rig.table(
            shop=RouteService(instances={"a": instance(shop.port)}),
            api=RouteService(instances={"b": instance(alice.port)}),
            routing=RouteRules(default="gone", domain=domains),
        )
        for host, text in (
            ("SHOP.example.com:8080", b"shop"),
            ("any.example.org", b"shop"),
            ("me.example.org.", b"alice"),
            ("shop.localhost", b"shop"),
        ):
            assert body_of(rig.get(host)) == text
        assert status_of(rig.get("example.org")) == 404
        rig.table(shop=RouteService(instances={"a": instance(shop.port)}), routing=NOWHERE)
        assert status_of(rig.get("shop.example.com")) == 404


def test_a_dead_one_comes_back(rig):
    """It is tried again by itself; nobody is answered with an error meanwhile."""
    with upstream(say(b"alive")) as alive, upstream(say(b"back")) as other:
        port = other.port
        rig.table(api=RouteService(instances={"a": instance(port), "b": instance(alive.port)}))
        other.stop()
        for _ in range(20):
            assert body_of(rig.get("api.localhost")) == b"alive"
        with upstream(say(b"back"), port=port):
            deadline = time.monotonic() + 10
            while body_of(rig.get("api.localhost")) != b"back":
                assert time.monotonic() < deadline
                time.sleep(0.05)
