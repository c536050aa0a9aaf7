"""Which resolvers an instance with a way out is told of."""

from pathlib import Path

import pytest

from engine.core.outbound import Outbound
from engine.runtime import resolver


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Stand for the host's two files."""
    paths = tmp_path / "resolv.conf", tmp_path / "upstream"
    monkeypatch.setattr(resolver, "RESOLV_CONF", paths[0])
    monkeypatch.setattr(resolver, "_FILES", paths)
    return paths


def test_those_of_the_host_serve_if_they_can_be_reached(files: tuple[Path, Path]) -> None:
    files[0].write_text(
        "# nameserver 8.8.8.8\nnameserver 127.0.0.53\nnameserver 9.9.9.9\n"
        "nameserver fe80::1%eth0\nnameserver\nnameserver 10.0.0.2 # inside\nnameserver 9.9.9.9\n"
    )
    assert resolver.resolvers(Outbound()) == ("9.9.9.9", "10.0.0.2")


def test_behind_a_stub_those_that_it_asks_serve(files: tuple[Path, Path]) -> None:
    files[0].write_text("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.com\n")
    files[1].write_text("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6)))
    assert resolver.resolvers(Outbound()) == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert resolver.resolv_conf(("192.0.2.1",)) == (
        "nameserver 192.0.2.1\noptions edns0 trust-ad\nsearch example.com\n"
    )


def test_a_host_without_any_leaves_instances_without(files: tuple[Path, Path]) -> None:
    assert resolver.resolvers(Outbound()) == ()
    files[0].write_text("nameserver 169.254.169.253\nnameserver ::1\n")
    assert resolver.resolvers(Outbound()) == ()
    assert resolver.resolv_conf(()) == ""


def test_those_of_the_configuration_come_first(files: tuple[Path, Path]) -> None:
    files[0].write_text("nameserver 9.9.9.9\n")
    assert resolver.resolvers(Outbound(dns=("1.1.1.1",))) == ("1.1.1.1",)
