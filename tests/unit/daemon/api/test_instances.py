"""engine.daemon.api.instances and replies: the peer's routes, with right and wrong input."""

import json
from typing import Any

import msgspec
import pytest

from engine.core.wire import State
from engine.daemon.api.instances import HEALTH, idle_seconds, uptime_seconds
from tests.served import Served

FIELDS = {
    "id",
    "socket",
    "uptime_secs",
    "idle_secs",
    "restarts",
    "health",
    "storage_used_bytes",
    "storage_quota_bytes",
    "weight",
}


def set_view(served: Served, name: str, **changes: Any) -> None:
    def change() -> None:
        view = served.control.views[name]
        served.control.views[name] = msgspec.structs.replace(view, **changes)

    served.do(change)


def test_lists_what_runs_with_every_field(local: Served) -> None:
    set_view(local, "api:bob", state=State.STOPPED)
    set_view(local, "api:carol", state=State.ASLEEP)
    set_view(local, "worker:w1", state=State.FAILED, storage_quota_bytes=100)
    answer = local.ask("GET", "/api/instances")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    listed = {one["id"]: one for one in answer.json()}
    assert set(listed) == {"api:alice", "worker:w1", "worker:w2"}
    assert set(listed["api:alice"]) >= FIELDS
    assert listed["api:alice"]["socket"].startswith("127.0.0.1:3")
    assert listed["api:alice"]["storage_quota_bytes"] is None
    assert listed["worker:w1"]["health"] == "failed"
    assert listed["worker:w1"]["storage_quota_bytes"] == 100


def test_a_port_in_a_network_of_its_own_is_under_no_address_of_the_host(local: Served) -> None:
    set_view(local, "api:alice", network="private", port=8080)
    set_view(local, "api:bob", network="private", port=0)
    listed = {one["id"]: one["socket"] for one in local.ask("GET", "/api/instances").json()}
    assert (listed["api:alice"], listed["api:bob"]) == ("private:8080", "")
    spawned = local.ask("POST", "/api/instances/spawn", {"process": "api", "id": "alice"}).json()
    assert (spawned["port"], spawned["address"]) == (8080, "private:8080")


def test_every_state_has_the_peers_word() -> None:
    assert set(HEALTH) == set(State)
    words = {"healthy", "degraded", "unhealthy", "failed", "unknown"}
    assert set(HEALTH.values()) == words


def test_ages_are_whole_and_never_negative(local: Served) -> None:
    view = msgspec.structs.replace(
        local.control.views["api:alice"], started_at=100.0, activity_at=0.0
    )
    assert uptime_seconds(view, 103.9) == 3
    assert uptime_seconds(view, 50.0) == 0
    assert idle_seconds(view, 110.0) == 10
    assert idle_seconds(msgspec.structs.replace(view, activity_at=105.0), 110.5) == 5
    assert uptime_seconds(msgspec.structs.replace(view, started_at=0.0), 110.0) == 0


def test_spawn_answers_where_it_listens(local: Served) -> None:
    answer = local.ask("POST", "/api/instances/spawn", {"process": "api", "id": "new", "x": 1})
    assert answer.status == 200
    assert answer.json() == {
        "instance": "api:new",
        "socket": "/tmp/tenement/api-new.sock",
        "port": local.control.views["api:new"].port,
        "address": f"127.0.0.1:{local.control.views['api:new'].port}",
    }
    again = local.ask("POST", "/api/instances/spawn", {"process": "api", "id": "new"})
    assert again.json() == answer.json()


@pytest.mark.parametrize(
    ("process", "ident", "error"),
    [
        ("zz", "a", "Unknown process: zz"),
        ("", "a", "Unknown process: "),
        ("api", "../../esc", "Invalid instance ID '../../esc'"),
        ("api", "", "Invalid instance ID ''"),
        ("api", "a/b", "Invalid instance ID"),
    ],
)
def test_spawn_of_what_cannot_be_is_500(
    local: Served, process: str, ident: str, error: str
) -> None:
    before = set(local.control.views)
    answer = local.ask("POST", "/api/instances/spawn", {"process": process, "id": ident})
    assert answer.status == 500
    assert answer.json()["error"].startswith(error)
    assert set(local.control.views) == before


@pytest.mark.parametrize(
    ("body", "kind", "status", "text"),
    [
        (b"{}", "", 415, "Expected request with `Content-Type: application/json`"),
        (b"{}", "text/json", 415, "Expected request with"),
        (b"{", "application/json", 400, "Failed to parse the request body as JSON: "),
        (b"\xff", "application/json", 400, "Failed to parse the request body as JSON: "),
        (b"", "application/json", 400, "Failed to parse the request body as JSON: "),
        (
            b'{"x":' + b"[" * 100_000,
            "application/json",
            400,
            "Failed to parse the request body as JSON: ",
        ),
        (b"{}", "application/json", 422, "Failed to deserialize the JSON body into the target"),
        (b"[]", "application/json; charset=utf-8", 422, "Failed to deserialize"),
        (b'{"process":1,"id":"a"}', "application/problem+json", 422, "Failed to deserialize"),
        (b" " * (2 * 1024 * 1024 + 1), "application/json", 413, "Failed to buffer the request"),
    ],
    ids=range(10),
)
def test_bodies_that_are_none(
    local: Served, body: bytes, kind: str, status: int, text: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = local.ask("POST", "/api/instances/spawn", body, headers=headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(text)


def test_a_long_body_of_unsaid_length_is_refused_in_time(local: Served) -> None:
    link = local.connection()
    pieces = (b" " * 65536 for _ in range(40))
    link.request(
        "POST",
        "/api/instances/spawn",
        pieces,
        {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    answer = link.getresponse()
    assert answer.status == 413
    answer.read()
    link.close()


def test_stop_is_204_and_then_404(local: Served) -> None:
    answer = local.ask("DELETE", "/api/instances/api:alice")
    assert (answer.status, answer.body) == (204, b"")
    assert local.control.views["api:alice"].state is State.STOPPED
    answer = local.ask("DELETE", "/api/instances/api:alice")
    assert answer.status == 404
    assert answer.json()["error"] == "Instance not found: api:alice"


def test_stop_with_a_hold_reaches_the_engine(local: Served) -> None:
    assert local.ask("DELETE", "/api/instances/api:alice?hold=10").status == 204
    assert ("stop", "api:alice", "10.0") in local.control.calls
    assert local.control.views["api:alice"].undo == "stop"


@pytest.mark.parametrize("hold", ["x", "-1", "61", "nan", "inf"])
def test_a_hold_that_is_none_is_400_and_stops_nothing(local: Served, hold: str) -> None:
    assert local.ask("DELETE", f"/api/instances/api:alice?hold={hold}").status == 400
    assert local.control.views["api:alice"].state is not State.STOPPED
    assert local.control.calls == []


@pytest.mark.parametrize("text", ["api", ":a", "api:", "a:b:c", "api:a%20b", "api:..", "%00:a"])
@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("DELETE", ""),
        ("POST", "/restart"),
        ("PUT", "/weight"),
        ("GET", "/health"),
        ("GET", "/storage"),
    ],
)
def test_names_that_are_none_are_400(local: Served, method: str, what: str, text: str) -> None:
    answer = local.ask(method, f"/api/instances/{text}{what}", {"weight": 1})
    assert answer.status == 400
    assert "Expected format: process:id" in answer.json()["error"]


def test_restart_starts_no_unknown_one(local: Served) -> None:
    pid = local.control.views["api:alice"].pid
    answer = local.ask("POST", "/api/instances/api:alice/restart")
    assert answer.status == 200
    assert answer.json()["instance"] == "api:alice"
    assert local.control.views["api:alice"].pid != pid or answer.json()["port"]
    answer = local.ask("POST", "/api/instances/api:alise/restart")
    assert (answer.status, answer.json()["kind"]) == (404, "not_found")
    assert answer.json()["error"] == "Instance not found: api:alise; did you mean api:alice?"
    answer = local.ask("POST", "/api/instances/api:fresh/restart")
    assert "ten spawn api:fresh makes it" in answer.json()["error"]
    assert "api:fresh" not in local.control.views
    answer = local.ask("POST", "/api/instances/zz:fresh/restart")
    assert (answer.status, answer.json()["error"]) == (500, "Unknown process: zz")


def test_weight_is_echoed_and_kept_capped(local: Served) -> None:
    answer = local.ask("PUT", "/api/instances/api:alice/weight", {"weight": 200})
    assert (answer.status, answer.json()) == (200, {"instance": "api:alice", "weight": 200})
    assert local.control.views["api:alice"].weight == 100
    assert local.ask("PUT", "/api/instances/api:nn/weight", {"weight": 2}).status == 404


@pytest.mark.parametrize("weight", [256, -1, "1", 1.5, None, True])
def test_weights_that_are_none_are_422(local: Served, weight: Any) -> None:
    answer = local.ask("PUT", "/api/instances/api:alice/weight", {"weight": weight})
    assert answer.status == 422
    assert local.control.views["api:alice"].weight == 100


def test_health_of_the_unknown_is_unknown(local: Served) -> None:
    answer = local.ask("GET", "/api/instances/api:nn/health")
    assert (answer.status, answer.json()) == (200, {"instance": "api:nn", "health": "unknown"})


def test_storage_in_bytes_and_percent(local: Served) -> None:
    set_view(local, "api:alice", storage_used_bytes=25, storage_quota_bytes=100)
    answer = local.ask("GET", "/api/instances/api:alice/storage").json()
    assert answer["used_bytes"] == 25
    assert answer["usage_percent"] == 25.0
    assert answer["path"] == f"{local.folder}/api/alice"
    assert local.ask("GET", "/api/instances/api:bob/storage").json()["usage_percent"] is None
    unknown = local.ask("GET", "/api/instances/api:nn/storage")
    assert (unknown.status, unknown.body) == (404, b"")


def test_paths_and_methods_that_are_none(local: Served) -> None:
    answer = local.ask("GET", "/api/nope")
    assert (answer.status, answer.text) == (404, "Not found")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    answer = local.ask("POST", "/api/instances")
    assert (answer.status, answer.headers["allow"], answer.body) == (405, "GET,HEAD", b"")
    assert local.ask("GET", "/api/instances/").status == 404
    assert local.ask("GET", "/health/").status == 404
    assert local.ask("HEAD", "/api/instances").status == 200


def test_health_and_page(local: Served) -> None:
    assert json.loads(local.ask("GET", "/health").body) == {"status": "ok"}
    assert local.ask("GET", "/").headers["content-type"].startswith("text/html")
