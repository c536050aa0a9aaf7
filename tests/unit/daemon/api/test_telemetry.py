"""engine.daemon.api.telemetry, read back with Prometheus' own parser."""

from collections import deque
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.core.latency import Traffic
from engine.core.wire import Sample, State
from tests.served import Served


@pytest.fixture(autouse=True)
def traffic(local: Served) -> None:
    def count() -> None:
        local.control.totals["api:bob"] = Traffic()
        local.control.totals["api:bob"].add(6, 1, 300.0, [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3])
        local.control.totals["api:gone"] = Traffic()
        view = local.control.views["api:bob"]
        local.control.views["api:bob"] = msgspec.structs.replace(
            view, restarts=2, storage_used_bytes=50, storage_quota_bytes=200
        )

    local.do(count)


def families(served: Served) -> dict[str, Any]:
    answer = served.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return {one.name: one for one in text_string_to_metric_families(answer.text)}


def value(found: dict[str, Any], family: str, sample: str, **labels: str) -> float:
    values = [one.value for one in found[family].samples if one[:2] == (sample, labels)]
    assert len(values) == 1, (family, labels)
    return float(values[0])


def test_wakes_are_told_by_what_was_woken(local: Served) -> None:
    frozen = Traffic()
    for ms in (0.5, 0.7, 12.0):
        frozen.note(ms)
    local.control.woken["api:bob"] = {"frozen": frozen}
    found = families(local)
    name = "tenement_wake_duration_ms"
    bob = {"instance": "bob", "process": "api", "from": "frozen"}
    assert value(found, name, f"{name}_count", **bob) == 3
    assert value(found, name, f"{name}_bucket", le="1", **bob) == 2
    assert value(found, name, f"{name}_sum", **bob) == 13.2


def test_the_peers_names_types_and_labels(local: Served) -> None:
    found = families(local)
    assert {name: one.type for name, one in found.items()} == {
        "tenement_requests": "counter",
        "tenement_request_duration_ms": "histogram",
        "tenement_wake_duration_ms": "histogram",
        "tenement_instances_up": "gauge",
        "tenement_instance_restarts": "counter",
        "tenement_instance_storage_bytes": "gauge",
        "tenement_instance_storage_quota_bytes": "gauge",
        "tenement_instance_storage_usage_ratio": "gauge",
        "tenement_instance_oom_kills": "counter",
        "tenement_instance_memory_bytes": "gauge",
        "tenement_instance_memory_limit_bytes": "gauge",
        "tenement_instance_cpu_cores": "gauge",
        "tenement_instance_cpu_quota_cores": "gauge",
        "tenement_instance_pressure_percent": "gauge",
        "tenement_host_pressure_percent": "gauge",
    }
    bob = {"instance": "bob", "process": "api"}
    assert value(found, "tenement_requests", "tenement_requests_total", **bob) == 6
    name = "tenement_request_duration_ms"
    buckets = [
        (one.labels["le"], one.value)
        for one in found[name].samples
        if one.name == f"{name}_bucket" and one.labels["instance"] == "bob"
    ]
    assert buckets == [
        ("1", 1),
        *((le, 3) for le in ("5", "10", "25", "50", "100", "250", "500", "1000", "5000")),
        ("+Inf", 6),
    ]
    assert value(found, name, f"{name}_sum", **bob) == 300.0
    assert value(found, name, f"{name}_count", **bob) == 6
    assert value(found, "tenement_instances_up", "tenement_instances_up") == 5
    by_id = {"id": "bob", "process": "api"}
    prefix = "tenement_instance"
    assert value(found, f"{prefix}_restarts", f"{prefix}_restarts_total", **by_id) == 2
    ratio = f"{prefix}_storage_usage_ratio"
    assert value(found, ratio, ratio, **by_id) == 0.25


def test_series_of_what_is_gone_are_dropped(local: Served) -> None:
    assert "gone" not in local.ask("GET", "/metrics").text

    def remove() -> None:
        del local.control.views["api:bob"]

    local.do(remove)
    assert "bob" not in local.ask("GET", "/metrics").text


def test_counters_of_what_sleeps_stay(local: Served) -> None:
    def sleep() -> None:
        view = local.control.views["api:bob"]
        local.control.views["api:bob"] = msgspec.structs.replace(view, state=State.ASLEEP)

    local.do(sleep)
    found = families(local)
    bob = {"instance": "bob", "process": "api"}
    assert value(found, "tenement_requests", "tenement_requests_total", **bob) == 6
    assert value(found, "tenement_instances_up", "tenement_instances_up") == 4


def test_labels_are_escaped(local: Served) -> None:
    def rename() -> None:
        view = local.control.views["api:bob"]
        odd = msgspec.structs.replace(view, name='a"\\\n:x', service='a"\\\n', id="x")
        local.control.views["odd"] = odd

    local.do(rename)
    found = families(local)
    labels = {one.labels["process"] for one in found["tenement_instance_restarts"].samples}
    assert 'a"\\\n' in labels


def test_telemetry(local: Served) -> None:
    found = local.ask("GET", "/api/telemetry").json()
    assert found["summary"] == {
        "total_instances": 5,
        "healthy_instances": found["summary"]["healthy_instances"],
        "total_requests": 6,
    }
    rows = {row["id"]: row for row in found["instances"]}
    bob = rows["api:bob"]
    assert set(bob) == {
        "id",
        "process",
        "instance",
        "health",
        "uptime_secs",
        "idle_secs",
        "restarts",
        "weight",
        "requests_total",
        "request_duration_avg_ms",
        "request_duration_p99_ms",
        "storage_used_bytes",
        "storage_quota_bytes",
    }
    assert (bob["requests_total"], bob["request_duration_avg_ms"]) == (6, 50.0)
    assert bob["request_duration_p99_ms"] == 5000.0
    assert rows["api:alice"]["request_duration_avg_ms"] == 0.0
    assert rows["api:alice"]["storage_quota_bytes"] is None


def test_tls_status(local: Served) -> None:
    found = local.ask("GET", "/api/tls/status").json()
    peers = {"enabled", "domain", "staging", "https_port", "http_port", "recommendation"}
    assert set(found) == peers | {"running", "pid", "internal", "certificates", "error"}
    assert found["enabled"] is False
    assert found["domain"] is None


def test_resources_and_pressure(local: Served) -> None:
    def happen() -> None:
        control = local.control
        control.views["api:bob"] = msgspec.structs.replace(control.views["api:bob"], oom_kills=3)
        sample = Sample(1.0, cpu_quota_cores=1.5, memory_limit_bytes=64, psi_io=2.5)
        control.figures["api:bob"] = deque([sample])

    local.do(happen)
    found = families(local)
    bob = {"instance": "bob", "process": "api"}
    prefix = "tenement_instance_"
    assert value(found, f"{prefix}oom_kills", f"{prefix}oom_kills_total", **bob) == 3
    for name, number in (("cpu_quota_cores", 1.5), ("memory_limit_bytes", 64)):
        assert value(found, prefix + name, prefix + name, **bob) == number
    name = f"{prefix}pressure_percent"
    assert value(found, name, name, **bob, resource="io", kind="some") == 2.5
    assert value(found, name, name, **bob, resource="cpu", kind="full") == 0


def test_a_tenant_learns_nothing_of_the_hosts_pressure(remote: Served) -> None:
    for token, is_told in ((remote.other_token("bob"), False), (remote.admin_token(), True)):
        answer = remote.ask("GET", "/metrics", token=token)
        assert ("tenement_host_pressure_percent" in answer.text) == is_told
        assert "tenement_instance_pressure_percent" in answer.text
