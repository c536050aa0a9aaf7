"""engine.daemon.api.deploys."""

from typing import Any

import msgspec
import pytest

from engine.core.wire import State, Why
from tests.served import Served


def deploy(served: Served, **body: Any) -> Any:
    return served.ask("POST", "/api/deploy", {"process": "api", "version": "v2", **body})


def test_starts_waits_and_weighs(local: Served) -> None:
    answer = deploy(local, weight=30)
    assert answer.status == 200
    assert answer.json() == {
        "instance": "api:v2",
        "socket": "/tmp/tenement/api-v2.sock",
        "weight": 30,
        "status": "healthy",
    }
    view = local.control.views["api:v2"]
    assert (view.state, view.weight) == (State.HEALTHY, 30)


def test_a_running_version_is_used_again(local: Served) -> None:
    pid = local.control.views["api:alice"].pid
    assert deploy(local, version="alice", weight=5).status == 200
    assert local.control.views["api:alice"].pid == pid
    assert local.control.views["api:alice"].weight == 5


def test_one_that_is_not_healthy_in_time_is_stopped_again(local: Served) -> None:
    local.control.step = 0.3
    answer = deploy(local, timeout=0)
    assert answer.status == 500
    assert answer.json()["error"] == "Instance api:v2 not healthy after 0s"
    local.control.step = 0.02
    assert local.control.views["api:v2"].desired == "stopped"


def test_one_that_ran_before_goes_on(local: Served) -> None:
    def spoil() -> None:
        view = local.control.views["api:alice"]
        why = Why(summary="health check: 503 from /health")
        local.control.views["api:alice"] = msgspec.structs.replace(
            view, state=State.DEGRADED, why=why
        )

    local.do(spoil)
    answer = deploy(local, version="alice", timeout=0)
    assert answer.status == 500
    assert answer.json()["error"].endswith("after 0s: health check: 503 from /health")
    assert local.control.views["api:alice"].state is State.DEGRADED


def test_one_that_fails_is_told_at_once(local: Served) -> None:
    local.control.step = 0.0

    async def fail(name: str, *, actor: str) -> Any:
        view = await type(local.control).spawn(local.control, name, actor=actor)
        local.control.views[name] = msgspec.structs.replace(
            view, state=State.FAILED, why=Why(summary="exited with 1")
        )
        return local.control.views[name]

    local.control.spawn = fail  # type: ignore[method-assign]
    answer = deploy(local)
    assert answer.status == 500
    assert answer.json()["error"] == "Deploy of api:v2 failed: exited with 1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"process": "zz"}, 500),
        ({"version": "../x"}, 500),
        ({"weight": 256}, 422),
        ({"timeout": -1}, 422),
        ({"version": 7}, 422),
    ],
)
def test_wrong_input(local: Served, body: Any, status: int) -> None:
    before = set(local.control.views)
    assert deploy(local, **body).status == status
    assert set(local.control.views) == before


def test_route_swaps(local: Served) -> None:
    swap = {"process": "api", "from": "alice", "to": "bob"}
    answer = local.ask("POST", "/api/route", swap)
    assert answer.json() == {
        "from_instance": "api:alice",
        "to_instance": "api:bob",
        "from_weight": 0,
        "to_weight": 100,
    }
    weights = {name: view.weight for name, view in local.control.views.items()}
    assert (weights["api:alice"], weights["api:bob"], weights["api:carol"]) == (0, 100, 100)


def test_route_to_itself_leaves_it_its_traffic(local: Served) -> None:
    answer = local.ask("POST", "/api/route", {"process": "api", "from": "bob", "to": "bob"})
    assert answer.json()["from_weight"] == 100
    assert local.control.views["api:bob"].weight == 100


@pytest.mark.parametrize(
    ("source", "target", "missing"),
    [("alice", "nn", "api:nn"), ("nn", "alice", "api:nn"), ("alice", "../x", "api:../x")],
)
def test_route_between_what_is_not_there_changes_nothing(
    local: Served, source: str, target: str, missing: str
) -> None:
    answer = local.ask("POST", "/api/route", {"process": "api", "from": source, "to": target})
    assert (answer.status, answer.json()["error"]) == (500, f"Instance {missing} not found")
    assert local.control.views["api:alice"].weight == 100
    assert local.ask("POST", "/api/route", {"process": "api", "from": "a"}).status == 422
