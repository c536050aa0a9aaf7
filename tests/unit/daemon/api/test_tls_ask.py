"""Whether a certificate may be asked for: told on this host only."""

import pytest

from tests.served import Served


@pytest.mark.parametrize(
    ("peer", "domain", "status"),
    [
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "other.org", 404),
        ("127.0.0.1", "", 404),
        ("10.0.0.9", "localhost", 401),
        ("10.0.0.9", "other.org", 401),
    ],
)
def test_ask(remote: Served, peer: str, domain: str, status: int) -> None:
    assert remote.ask("GET", f"/api/tls/ask?domain={domain}", peer=peer).status == status
