"""Keys about who may speak for others at the door."""

import pytest

from engine.core.doorwire import DoorLimits
from engine.core.errors import SpecError
from engine.core.spec import Settings
from tests.configs import read


def settings(text: str) -> Settings:
    return read(f"[settings]\n{text}\n").settings


def test_defaults() -> None:
    assert settings("").trusted_proxies == ()
    assert not settings("").proxy_protocol


def test_networks_in_one_spelling() -> None:
    found = settings('trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "2001:DB8::/32"]')
    assert found.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('trusted_proxies = ["::1", "10.0.0.1/8"]', (2, 27), "10.0.0.0/8 may be meant"),
        ('trusted_proxies = ["proxy"]', (2, 20), "no network of proxies"),
        ('trusted_proxies = "10.0.0.0/8"', (2, 19), "expected an array of strings"),
        ("trusted_proxies = [10]", (2, 20), "expected a string"),
        ("proxy_protocol = true", (2, 18), "needs trusted_proxies"),
        ('proxy_protocol = "yes"', (2, 18), "expected a boolean"),
    ],
)
def test_refused_in_its_place(text: str, place: tuple[int, int], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        settings(text)
    assert (caught.value.line, caught.value.column) == place


def test_to_trust_everybody_is_warned_about() -> None:
    config = read('[settings]\ntrusted_proxies = ["0.0.0.0/0"]\n')
    assert any("line 2" in each and "everybody" in each for each in config.warnings)


def test_limits_of_the_door() -> None:
    assert settings("").door == DoorLimits()
    found = settings(
        "[settings.door]\nhead_timeout = 5\nidle_timeout = 2.5\nhead_size = '16K'\n"
        "head_fields = 50\nslow_timeout = 0"
    ).door
    assert found == DoorLimits(
        head_seconds=5.0, idle_seconds=2.5, head_bytes=16384, head_fields=50, slow_seconds=0.0
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("head_timeout = 0", "expected 0.1 seconds or more"),
        ("idle_timeout = -1", "expected 0 to 86400 seconds"),
        ("slow_timeout = nan", "expected 0 to 86400 seconds"),
        ("head_size = 512", "expected a size, 1K to 1M"),
        ("head_size = '2M'", "expected a size, 1K to 1M"),
        ("head_size = 'max'", "expected a size, 1K to 1M"),
        ("head_fields = 0", "expected 1 or more"),
        ("head_fields = 10001", "expected 10000 or less"),
    ],
)
def test_a_limit_out_of_its_range_is_refused_in_its_place(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        settings(f"[settings.door]\n{text}")
    assert (caught.value.line, caught.value.column) == (3, text.index("=") + 3)
