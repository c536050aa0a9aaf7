"""What network a service asks for, and what of it is refused in its place."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.network import Network
from engine.core.outbound import Outbound
from engine.core.reload import spec_digest
from engine.core.spec import ServiceSpec


def read(*lines: str) -> ServiceSpec:
    text = "\n".join(["[service.api]", 'command = "x"', *lines])
    return parse_config(text, path="/t.toml").services["api"]


def test_the_hosts_network_and_a_port_given_is_what_nothing_said_means() -> None:
    assert (read().network, read().port) == (Network.HOST, 0)


def test_an_own_network_has_all_ports() -> None:
    said = read('network = "private"')
    assert (said.network, said.port) == (Network.PRIVATE, 8080)
    assert read('network = "private"', "port = 80").port == 80
    assert read('network = "private"', 'isolation = "sandbox"').network == Network.PRIVATE


def test_a_change_of_either_is_taken_by_a_restart_only() -> None:
    specs = [read(), read('network = "private"'), read('network = "private"', "port = 1")]
    assert len({spec_digest(spec) for spec in specs}) == 3


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        (['network = "none"'], (3, 11), "unknown variant `none`, expected one of `host`"),
        (["network = true"], (3, 11), "expected a string"),
        (['network = "private"', 'isolation = "process"'], (3, 11), 'with isolation = "process"'),
        (["port = 80"], (3, 8), "port needs a network of its own"),
        (['network = "private"', "port = 0"], (4, 8), "0"),
        (
            ['network = "private"', "port = 65536"],
            (4, 8),
            "expected a whole number from 0 to 65535",
        ),
    ],
)
def test_refused_in_its_place(lines: list[str], place: tuple[int, int], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        read(*lines)
    assert (caught.value.line, caught.value.column) == place


def settings(*lines: str) -> Outbound:
    return parse_config("\n".join(["[settings]", *lines]), path="/t.toml").settings.outbound


def test_a_way_out_is_configured_once_for_all() -> None:
    assert settings() == Outbound()
    assert settings(
        'outbound_range = "172.20.0.0/20"',
        'outbound_allow = ["10.0.5.0/24", "192.168.1.9"]',
        'outbound_dns = ["9.9.9.9"]',
    ) == Outbound(range="172.20.0.0/20", allow=("10.0.5.0/24", "192.168.1.9/32"), dns=("9.9.9.9",))
    assert read('network = "outbound"').port == 8080


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('outbound_range = "here"', 18, "'here' is no network of IPv4"),
        ('outbound_range = "10.1.2.3/16"', 18, "has host bits set"),
        ('outbound_range = "10.0.0.0/8"', 18, "must be a /14 to a /28"),
        ('outbound_range = "10.0.0.0/30"', 18, "must be a /14 to a /28"),
        ('outbound_range = "203.0.112.0/20"', 18, "belongs to others"),
        ('outbound_allow = ["10.0.0.1/8"]', 18, "'10.0.0.1/8' is no network of IPv4"),
        ('outbound_allow = ["0.0.0.0/0"]', 18, "holds addresses that no instance may reach"),
        ('outbound_allow = ["169.254.169.254"]', 18, "a cloud's metadata"),
        ('outbound_dns = ["one.one.one.one"]', 16, "is no address of IPv4"),
        ('outbound_dns = ["127.0.0.53"]', 16, "cannot be reached from an instance"),
    ],
)
def test_a_way_out_that_cannot_be_is_refused_in_its_place(
    line: str, column: int, message: str
) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        settings(line)
    assert (caught.value.line, caught.value.column) == (2, column)


def test_a_sandbox_is_apart_unless_the_hosts_network_is_asked_for() -> None:
    box = '[service.box]\ncommand = "x"\nisolation = "sandbox"\n'
    config = parse_config(box, path="/t.toml")
    assert (config.services["box"].network, config.services["box"].port) == (Network.PRIVATE, 8080)
    assert config.warnings == ()
    config = parse_config(box + 'network = "host"\n', path="/t.toml")
    assert config.services["box"].network is Network.HOST
    assert "takes orders from programs there" in config.warnings[0]
