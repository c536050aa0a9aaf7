"""engine.daemon.api.guard: who is let in, and what a tenant or a read-only token may do."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.daemon.api.guard import Guard
from engine.daemon.auth import Auth, Peer, make_token
from engine.daemon.store import Store
from tests.fakes import FakeControl
from tests.served import Served

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/instances", None),
    ("POST", "/api/instances/spawn", {"process": "api", "id": "alice"}),
    ("DELETE", "/api/instances/api:bob", None),
    ("GET", "/api/logs", None),
    ("GET", "/api/logs/stream", None),
    ("GET", "/api/tls/status", None),
    ("GET", "/api/v1/stream", None),
    ("GET", "/api/v1/snapshot", None),
    ("GET", "/api/v1/config", None),
    ("GET", "/api/v1/logs/api:alice/raw", None),
    ("GET", "/no/such/path", None),
    ("GET", "/assets/x.js", None),
    ("PATCH", "/api/instances", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_without_a_token_nothing_is_told(remote: Served, method: str, path: str, body: Any) -> None:
    answer = remote.ask(method, path, body)
    assert (answer.status, answer.body) == (401, b"")
    answer = remote.ask(method, path, body, token=make_token())
    assert (answer.status, answer.body) == (401, b"")
    for header in ("Basic eDp5", "Bearer", "Bearer ", "", "Token x"):
        answer = remote.ask(method, path, body, headers={"Authorization": header}, peer="::9")
        assert (answer.status, answer.body) in {(401, b""), (429, b"")}


def test_the_public_paths(remote: Served) -> None:
    assert remote.ask("GET", "/health").json() == {"status": "ok"}
    assert remote.ask("GET", "/").status == 200
    assert remote.ask("POST", "/health").status == 405


def test_the_scheme_is_not_case_sensitive(remote: Served) -> None:
    token = remote.admin_token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {token}"}
        assert remote.ask("GET", "/api/instances", headers=headers).status == 200


def test_with_a_token_unknown_paths_are_404(remote: Served) -> None:
    token = remote.admin_token()
    answer = remote.ask("GET", "/no/such/path", token=token)
    assert (answer.status, answer.text) == (404, "Not found")
    assert remote.ask("PATCH", "/api/instances", token=token).status == 405


@pytest.mark.parametrize("path", ["/metrics", "/api/telemetry"])
def test_figures_are_public_on_the_host_only_unless_the_configuration_says_so(
    remote: Served, path: str
) -> None:
    assert remote.ask("GET", path, peer="127.0.0.1").status == 200
    assert remote.ask("GET", path, peer="::1").status == 200
    assert remote.ask("GET", path, peer="203.0.113.9").status == 401
    assert remote.ask("GET", path, peer="").status == 401
    assert remote.ask("GET", path, token=remote.admin_token()).status == 200
    settings = msgspec.structs.replace(remote.control.config.settings, public_metrics=True)
    remote.control.config = msgspec.structs.replace(remote.control.config, settings=settings)
    assert remote.ask("GET", path).status == 200


def test_a_source_of_bad_tokens_is_slowed_down_and_a_good_token_never(remote: Served) -> None:
    token = remote.admin_token()

    def bad(peer: str) -> int:
        return remote.ask("GET", "/api/instances", token=make_token(), peer=peer).status

    assert [bad("198.51.100.1") for _ in range(12)] == [401] * 10 + [429] * 2
    assert bad("198.51.100.2") == 401, "another source"
    assert remote.ask("GET", "/api/instances", peer="198.51.100.1").status == 401, "not counted"
    good = remote.ask("GET", "/api/instances", token=token, peer="198.51.100.1")
    assert good.status == 200
    assert bad("198.51.100.1") == 401, "success resets"


def test_a_tenant_sees_and_touches_its_own_id_only(remote: Served) -> None:
    token = remote.other_token("alice")

    def ask(method: str, path: str, body: Any = None) -> Any:
        return remote.ask(method, path, body, token=token)

    assert [one["id"] for one in ask("GET", "/api/instances").json()] == ["api:alice"]
    assert ask("GET", "/api/v1/logs").json() == ["api:alice"]
    other = "Tenant token can only access instance 'alice'"
    for method, path, body in [
        ("POST", "/api/instances/spawn", {"process": "api", "id": "bob"}),
        ("DELETE", "/api/instances/api:bob", None),
        ("POST", "/api/instances/api:bob/restart", None),
        ("PUT", "/api/instances/api:bob/weight", {"weight": 1}),
        ("GET", "/api/instances/api:bob/health", None),
        ("GET", "/api/instances/api:bob/storage", None),
        ("POST", "/api/v1/instances/api:bob/undo", None),
        ("GET", "/api/v1/metrics/api:bob", None),
        ("GET", "/api/v1/logs/api:bob/window", None),
        ("GET", "/api/v1/logs/api:bob/search?text=x", None),
        ("GET", "/api/v1/logs/api:bob/raw", None),
    ]:
        answer = ask(method, path, body)
        assert (answer.status, answer.json()["error"]) == (403, other), path
    deploy = ask("POST", "/api/deploy", {"process": "api", "version": "alice"})
    assert (deploy.status, deploy.json()["error"]) == (403, "Deploy requires admin token")
    route = ask("POST", "/api/route", {"process": "api", "from": "alice", "to": "bob"})
    assert (route.status, route.json()["error"]) == (403, "Route swap requires admin token")
    assert ask("POST", "/api/v1/config/reload").status == 403
    assert ask("PUT", "/api/instances/api:alice/weight", {"weight": 9}).status == 200
    assert ask("POST", "/api/instances/spawn", {"process": "worker", "id": "alice"}).status == 200


def test_a_tenant_reads_its_own_lines_only(remote: Served) -> None:
    token = remote.other_token("alice")
    remote.write("api:bob", "secret of bob")
    remote.write("api:alice", "of alice")
    lines = remote.ask("GET", "/api/logs", token=token).json()
    assert {line["instance_id"] for line in lines} == {"alice"}
    assert remote.ask("GET", "/api/logs?process=api&id=bob", token=token).json() == []


@pytest.mark.parametrize("tenant", ["", "alice"])
def test_a_read_only_token_looks_and_changes_nothing(remote: Served, tenant: str) -> None:
    token = remote.other_token(tenant, is_read_only=True)
    before = dict(remote.control.views)
    for method, path, body in [
        ("POST", "/api/instances/spawn", {"process": "api", "id": "alice"}),
        ("DELETE", "/api/instances/api:alice", None),
        ("POST", "/api/instances/api:alice/restart", None),
        ("PUT", "/api/instances/api:alice/weight", {"weight": 1}),
        ("POST", "/api/deploy", {"process": "api", "version": "v1"}),
        ("POST", "/api/route", {"process": "api", "from": "alice", "to": "bob"}),
        ("POST", "/api/v1/instances/api:alice/undo", None),
        ("POST", "/api/v1/config/reload", None),
    ]:
        answer = remote.ask(method, path, body, token=token)
        assert (answer.status, answer.json()["error"]) == (403, "This token is read-only"), path
    assert remote.control.views == before
    assert remote.ask("GET", "/api/instances", token=token).status == 200
    assert remote.ask("GET", "/api/v1/snapshot", token=token).json()["engine"]["read_only"]
    assert remote.ask("GET", "/api/v1/engine", token=token).json()["read_only"]


def test_the_unix_socket_knows_its_callers(local: Served) -> None:
    assert local.ask("GET", "/api/instances").status == 200
    assert "read_only" not in local.ask("GET", "/api/v1/engine").json()


def test_a_token_narrows_a_local_caller(local: Served) -> None:
    token = local.other_token("alice", is_read_only=True)
    listed = local.ask("GET", "/api/instances", token=token).json()
    assert [one["id"] for one in listed] == ["api:alice"]
    assert local.ask("DELETE", "/api/instances/api:alice", token=token).status == 403
    assert local.ask("GET", "/api/instances", token=make_token()).status == 401


@pytest.mark.parametrize("path", ["/", "/health", "/api/instances", "/metrics", "/no"])
async def test_strangers_on_the_socket_are_refused_everything(tmp_path: Path, path: str) -> None:
    with Store(tmp_path / "ten.db") as store:
        seen: list[str] = []

        async def app(*_: object) -> None:
            seen.append("reached")

        guard = Guard(app, control=FakeControl(), auth=Auth(store, tmp_path), is_local=True)
        for peer in (Peer(1, 54321, 54321), None):
            sent = await _ask(guard, path, {"peer": peer})
            assert sent[0]["status"] == 403
            assert b'"kind":"refused"' in sent[1]["body"]
        assert seen == []
        await _ask(guard, path, {"peer": Peer(1, 0, 0)})
        assert seen == ["reached"]


async def _ask(app: Any, path: str, state: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "state": state}
    await app(scope, asyncio.Event().wait, send)
    return sent


def test_only_a_unix_socket_has_a_peer() -> None:
    from engine.daemon.api.listener import read_peer

    here, there = socket.socketpair()
    with here, there:
        found = read_peer(here)
        assert found is not None
        assert found.pid > 0
    with socket.socket() as other:
        assert read_peer(other) is None
    assert read_peer(None) is None
