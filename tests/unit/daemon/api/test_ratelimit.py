"""engine.daemon.api.ratelimit."""

import pytest

from engine.daemon.api import ratelimit
from engine.daemon.api.ratelimit import BadTokens, is_loopback


def test_ten_are_counted_the_eleventh_is_refused_until_five_seconds_after_the_tenth() -> None:
    bad = BadTokens()
    assert [bad.is_refused("198.51.100.1", 100.0 + n / 10) for n in range(10)] == [False] * 10
    assert bad.is_refused("198.51.100.1", 101.0)
    assert bad.is_refused("198.51.100.1", 105.8)
    assert not bad.is_refused("198.51.100.1", 105.9), "those during the lock do not prolong it"


def test_a_pause_or_a_good_token_forgets() -> None:
    bad = BadTokens()
    for _ in range(9):
        bad.is_refused("198.51.100.1", 0.0)
    assert not bad.is_refused("198.51.100.1", 5.0)
    for _ in range(20):
        bad.is_refused("198.51.100.1", 5.0)
    bad.forgive("198.51.100.1")
    assert not bad.is_refused("198.51.100.1", 5.1)
    bad.forgive("never seen")


def test_sources_are_apart_but_one_hosts_ipv6_addresses_are_not() -> None:
    bad = BadTokens()
    for n in range(11):
        bad.is_refused(f"2001:db8:1:2::{n:x}", 0.0)
    assert bad.is_refused("2001:db8:1:2:ffff::1", 0.0)
    assert not bad.is_refused("2001:db8:1:3::1", 0.0)
    for _ in range(11):
        bad.is_refused("::ffff:198.51.100.7", 0.0)
    assert bad.is_refused("198.51.100.7", 0.0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MAX_SOURCES", 3)
    bad = BadTokens()
    for n in range(10):
        bad.is_refused(f"198.51.100.{n}", 0.0)
    assert len(bad) == 3


@pytest.mark.parametrize(
    ("source", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("", False),
        ("localhost", False),
        ("127.0.0.1, 10.0.0.1", False),
    ],
)
def test_loopback(source: str, is_here: bool) -> None:
    assert is_loopback(source) is is_here
