"""Ports that nobody has."""

import socket

import pytest

from engine.core.errors import Refused
from engine.daemon import ports
from engine.daemon.ports import FIRST, LAST, Ports, is_free


def test_ports_go_round_and_pass_over_those_in_use() -> None:
    giver = Ports()
    first = giver.take(set())
    assert FIRST <= first <= LAST
    second = giver.take({first + 1, first + 2})
    assert second > first + 2


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_somebody_listens_on_is_not_free(address: str) -> None:
    with socket.socket() as foreign:
        foreign.bind((address, 0))
        foreign.listen()
        assert not is_free(foreign.getsockname()[1])
    assert is_free(foreign_port := Ports().take(set())), foreign_port


def test_a_foreign_listener_is_passed_over() -> None:
    first = Ports().take(set())
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", first))
        assert Ports(start=first).take(set()) != first


def test_outgoing_ports_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    # A few, as anything else on this host may have one of them at the moment.
    last = range(LAST - 19, LAST + 1)
    monkeypatch.setattr(ports, "_ephemeral_range", lambda: (FIRST, last[0] - 1))
    assert Ports().take(set()) in last
    assert Ports().take(last) < last[0]


def test_the_end_of_the_range_is_said() -> None:
    with pytest.raises(Refused):
        Ports().take(range(FIRST, LAST + 1))
