"""The way out of instances: which addresses a pair has, and what the packet filter says."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.outbound import LINK_PREFIX, Link, Outbound, choose, prefix_of, ruleset

GROUP = "ten-1a2b3c4d"


def test_interfaces_are_named_after_the_engine_and_their_number() -> None:
    assert prefix_of(GROUP) == "ten-1a2b3-"
    found = choose(GROUP, "10.212.0.0/28", (), ())
    assert found == Link("ten-1a2b3-1", "10.212.0.5", "10.212.0.6")


def test_pairs_that_somebody_has_are_passed_over_and_none_is_left_in_the_end() -> None:
    taken = [Link("", "10.212.0.5", "")]
    names = {"ten-1a2b3-2", "lo"}
    while found := choose(GROUP, "10.212.0.0/28", names, [each.host for each in taken]):
        taken.append(found)
    assert [each.host for each in taken[1:]] == ["10.212.0.13", "10.212.0.1"]


@given(st.text("0123456789abcdef", min_size=8, max_size=8), st.integers(14, 28))
def test_every_pair_has_a_net_of_its_own_and_a_name_the_kernel_takes(
    digest: str, prefix: int
) -> None:
    range_ = IPv4Network(("10.212.0.0", prefix), strict=False)
    found = choose(f"ten-{digest}", str(range_), (), ())
    assert found is not None
    net = IPv4Network((found.host, LINK_PREFIX), strict=False)
    assert [str(each) for each in net.hosts()] == [found.host, found.inside]
    assert net.subnet_of(range_)
    assert len(found.name) <= 15  # IFNAMSIZ counts a byte more


def test_the_filter_holds_what_is_configured_and_takes_the_place_of_the_one_before() -> None:
    outbound = Outbound(allow=("10.1.0.0/16", "192.168.7.7/32"))
    text = ruleset(GROUP, outbound, ["9.9.9.9"], ["eth0", "wan"])
    lines = [line.strip() for line in text.splitlines()]
    assert lines[:3] == [
        "table inet ten-1a2b3c4d {}",
        "delete table inet ten-1a2b3c4d",
        "table inet ten-1a2b3c4d {",
    ]
    assert "elements = { 10.1.0.0/16, 192.168.7.7/32 };" in text
    assert "elements = { 9.9.9.9 };" in text
    assert 'elements = { "eth0", "wan" };' in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("name", ["allowed", "resolvers", "guarded"])
def test_an_empty_set_has_no_elements(name: str) -> None:
    (line,) = [
        each for each in ruleset(GROUP, Outbound(), (), ()).splitlines() if f"set {name} " in each
    ]
    assert "elements" not in line


def test_what_none_may_reach_is_refused_before_anything_is_let_through() -> None:
    """Also where it is allowed: the chain is read from above."""
    text = ruleset(GROUP, Outbound(), ["10.0.0.53"], ())
    chain = text.partition("chain out {")[2].partition("}\n  chain")[0].split("\n")
    verdicts = [line.split()[-1] for line in chain if line.strip()]
    assert verdicts[:3] == ["drop", "refuse", "refuse"]
    first = next(at for at, line in enumerate(chain) if line.endswith("accept"))
    assert "@never" in "".join(chain[:first])
    never = next(line for line in text.splitlines() if "set never" in line)
    assert "127.0.0.0/8, 169.254.0.0/16" in never
