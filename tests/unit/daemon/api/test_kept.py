"""engine.daemon.api.kept: which figures are kept, and who may remove them."""

import pytest

from engine.core.metrics import HOST_METRICS, INSTANCE_METRICS
from engine.core.wire import HostSample, Sample
from engine.daemon.clock import wall
from tests.served import Served

ONE = "/api/instances/api:alice/metrics"


def keep(served: Served, *names: str) -> None:
    now = wall()
    samples = {name: Sample(now, p99_ms=12.0) for name in names}
    served.control.metrics.take(HostSample(now, swap_bytes=4096), samples)


def test_the_metrics_there_are(local: Served) -> None:
    names = [each["name"] for each in local.ask("GET", ONE).json()]
    assert names == [each.name for each in INSTANCE_METRICS]
    assert {"p50", "p99", "swap", "restarts", "psi_cpu_full", "throttled"} <= set(names)
    names = [each["name"] for each in local.ask("GET", "/api/host/metrics").json()]
    assert names == [each.name for each in HOST_METRICS]


def test_a_past_is_read_and_purged(local: Served) -> None:
    keep(local, "api:alice", "api:bob")
    points = local.ask("GET", f"{ONE}?name=p99").json()["points"]
    assert [point[3] for point in points] == pytest.approx([12.0], rel=0.001)
    assert local.ask("DELETE", ONE).status == 204
    assert local.ask("GET", f"{ONE}?name=p99").status == 404
    assert local.ask("DELETE", ONE).status == 404
    assert local.ask("GET", f"{ONE.replace('alice', 'bob')}?name=p99").status == 200
    assert local.ask("DELETE", "/api/host/metrics").status == 204
    assert local.ask("GET", "/api/host/metrics?name=swap").status == 404


def test_only_an_admin_that_may_write_purges(remote: Served) -> None:
    keep(remote, "api:alice")
    for token in (remote.other_token("alice"), remote.other_token(is_read_only=True)):
        for path in (ONE, "/api/host/metrics"):
            assert remote.ask("DELETE", path, token=token).status == 403
    tenant = remote.other_token("alice")
    assert remote.ask("GET", f"{ONE}?name=p99", token=tenant).status == 200
    assert remote.ask("DELETE", ONE, token=remote.admin_token()).status == 204


def test_several_metrics_are_answered_in_their_order(local: Served) -> None:
    keep(local, "api:alice")
    found = local.ask("GET", f"{ONE}?name=p99,cpu").json()
    assert [each["name"] for each in found] == ["p99", "cpu"]
    assert local.ask("GET", f"{ONE}?name=p99,cpuu").status == 404


def test_a_moment_has_all_figures_of_then(local: Served) -> None:
    keep(local, "api:alice", "api:bob")
    found = local.ask("GET", "/api/past?at=0s").json()
    assert sorted(found["instances"]) == ["api:alice", "api:bob"]
    assert found["step"] == 1
    assert list(local.ask("GET", "/api/past?at=0s&names=api:bob").json()["instances"]) == [
        "api:bob"
    ]
    assert local.ask("GET", "/api/past?at=1h").json()["instances"] == {}
    assert local.ask("GET", "/api/past?at=soon").status == 400


def test_a_moment_of_all_is_not_for_a_tenant(remote: Served) -> None:
    token = remote.other_token("alice")
    assert remote.ask("GET", "/api/past?at=0s", token=token).status == 403
