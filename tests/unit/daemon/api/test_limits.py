"""engine.daemon.api.limits: who may look at limits, and who may move them."""

import pytest

from tests.served import Served

ONE = "/api/v1/instances/api:alice/limits"


def value(served: Served, key: str) -> tuple[str, str]:
    limits = served.ask("GET", ONE).json()["limits"]
    (found,) = [limit for limit in limits if limit["key"] == key]
    return found["value"], found.get("origin", "default")


def test_limits_are_set_and_taken_back(local: Served) -> None:
    assert value(local, "pids_max") == ("4096", "default")
    body = {"memory_max": "512M", "pids_max": 7, "memory_oom_group": False}
    assert local.ask("PATCH", ONE, body).status == 200
    assert value(local, "memory_max") == ("512M", "set")
    assert value(local, "pids_max") == ("7", "set")
    assert value(local, "memory_oom_group") == ("false", "set")
    assert local.ask("PATCH", ONE, {"pids_max": ""}).status == 200
    assert value(local, "pids_max") == ("4096", "default")
    assert local.ask("DELETE", ONE).status == 200
    assert value(local, "memory_max") == ("max", "default")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"memory_max": "lots"}, 409, "memory_max: invalid value 'lots'"),
        ({"memory": "1G"}, 409, "did you mean memory_max"),
        ({"memory_max": None}, 422, "Expected"),
        ([], 422, "Expected"),
    ],
)
def test_what_is_refused(local: Served, body: object, status: int, text: str) -> None:
    answer = local.ask("PATCH", ONE, body)
    assert (answer.status, text in answer.text) == (status, True), answer


def test_unknown_instances(local: Served) -> None:
    assert local.ask("GET", ONE.replace("alice", "nobody")).status == 404
    assert local.ask("PATCH", ONE.replace("alice", "nobody"), {"pids_max": "1"}).status == 404


def test_a_tenant_looks_at_its_own_limits_and_moves_none(remote: Served) -> None:
    token = remote.other_token("alice")
    assert remote.ask("GET", ONE, token=token).status == 200
    assert remote.ask("GET", ONE.replace("alice", "bob"), token=token).status == 403
    for method, body in (("PATCH", {"memory_max": "max"}), ("DELETE", None)):
        answer = remote.ask(method, ONE, body, token=token)
        assert (answer.status, "admin" in answer.text) == (403, True)
    reader = remote.other_token(is_read_only=True)
    assert remote.ask("PATCH", ONE, {"pids_max": 5}, token=reader).status == 403
    assert remote.ask("PATCH", ONE, {"pids_max": 5}, token=remote.admin_token()).status == 200
