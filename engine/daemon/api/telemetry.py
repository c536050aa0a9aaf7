"""What monitoring asks: /metrics for Prometheus, /api/telemetry, /api/tls/status."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from starlette.responses import Response
from starlette.routing import Route

from engine.core.caddy import ASK_PATH
from engine.core.latency import BOUNDS_MS, cumulative, percentile
from engine.core.wire import State
from engine.daemon.api.guard import credential_or_public
from engine.daemon.api.instances import (
    HEALTH,
    idle_seconds,
    is_listed,
    quota,
    uptime_seconds,
)
from engine.daemon.api.replies import plain, reply
from engine.daemon.api.resource_metrics import host_metrics, instance_metrics
from engine.daemon.clock import wall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric
    from starlette.requests import Request

    from engine.core.wire import InstanceView
    from engine.daemon.auth import Credential
    from engine.daemon.control import Control, RequestTotals

_LABELS = ["instance", "process"]
_ID_LABELS = ["id", "process"]
_BOUNDS = [*(f"{bound:g}" for bound in BOUNDS_MS), "+Inf"]


class TelemetryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instance in /api/telemetry."""

    id: str
    process: str
    instance: str
    health: str
    uptime_secs: int
    idle_secs: int
    restarts: int
    weight: int
    requests_total: int
    request_duration_avg_ms: float
    request_duration_p99_ms: float
    storage_used_bytes: int
    storage_quota_bytes: int | None


class Telemetry:
    """The routes, over one engine."""

    def __init__(self, control: Control) -> None:
        """Take the engine."""
        self._control = control

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/api/telemetry", self.telemetry, methods=["GET"]),
            Route("/api/tls/status", self.tls_status, methods=["GET"]),
            Route(ASK_PATH, self.tls_ask, methods=["GET"]),
        ]

    async def metrics(self, request: Request) -> Response:
        """Expose the counters of every instance there is; of one that is gone nothing is left."""
        found = credential_or_public(request)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Figures(self._control, found))
        return Response(
            generate_latest(registry), headers={"content-type": "text/plain; charset=utf-8"}
        )

    async def telemetry(self, request: Request) -> Response:
        """Sum up what runs and what it served."""
        views = _views(self._control, credential_or_public(request))
        totals, now = self._control.requests_total(), wall()
        rows = [_row(view, totals.get(view.name), now) for view in views]
        return reply(
            {
                "summary": {
                    "total_instances": len(views),
                    "healthy_instances": sum(HEALTH[view.state] == "healthy" for view in views),
                    "total_requests": sum(row.requests_total for row in rows),
                },
                "instances": rows,
            }
        )

    async def tls_status(self, request: Request) -> Response:
        """Tell how TLS is served."""
        credential_or_public(request)
        return reply(self._control.tls_view())

    async def tls_ask(self, request: Request) -> Response:
        """Answer a Caddy on this host whether it may get a certificate for a name."""
        is_known = self._control.is_served(request.query_params.get("domain", ""))
        return plain(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND, "")


def _views(control: Control, found: Credential | None) -> list[InstanceView]:
    """List what runs, for a tenant its own."""
    return [
        view
        for view in control.instances()
        if is_listed(view) and (found is None or found.reaches(view.id))
    ]


def _row(view: InstanceView, totals: RequestTotals | None, now: float) -> TelemetryRow:
    requests = totals.requests if totals else 0
    return TelemetryRow(
        id=view.name,
        process=view.service,
        instance=view.id,
        health=HEALTH[view.state],
        uptime_secs=uptime_seconds(view, now),
        idle_secs=idle_seconds(view, now),
        restarts=view.restarts,
        weight=view.weight,
        requests_total=requests,
        request_duration_avg_ms=totals.duration_ms_sum / requests if totals and requests else 0.0,
        request_duration_p99_ms=percentile(totals.buckets, 0.99) if totals else 0.0,
        storage_used_bytes=view.storage_used_bytes,
        storage_quota_bytes=quota(view),
    )


class _Figures:
    """A collector of prometheus-client: the state of now, made anew for each scrape."""

    def __init__(self, control: Control, found: Credential | None) -> None:
        self._control = control
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield the families, in the peer's names."""
        known = [
            view
            for view in self._control.instances()
            if self._found is None or self._found.reaches(view.id)
        ]
        yield from self._traffic(known)
        yield self._wakes(known)
        up = sum(is_listed(view) and view.state is not State.FAILED for view in known)
        yield GaugeMetricFamily("tenement_instances_up", "Number of running instances", up)
        listed = [view for view in known if is_listed(view)]
        yield from _lives(listed)
        yield from instance_metrics(self._control, listed)
        if self._found is None or not self._found.tenant:
            yield from host_metrics(self._control.snapshot().host)

    def _traffic(self, views: list[InstanceView]) -> Iterator[Metric]:
        totals = self._control.requests_total()
        requests = CounterMetricFamily(
            "tenement_requests_total", "Total number of HTTP requests", labels=_LABELS
        )
        latency = HistogramMetricFamily(
            "tenement_request_duration_ms", "Request duration in milliseconds", labels=_LABELS
        )
        for view in views:
            if (one := totals.get(view.name)) is None:
                continue
            labels = [view.id, view.service]
            counts = cumulative(one.buckets)
            requests.add_metric(labels, one.requests)
            latency.add_metric(
                labels, list(zip(_BOUNDS, counts, strict=True)), sum_value=one.duration_ms_sum
            )
        yield requests
        yield latency

    def _wakes(self, views: list[InstanceView]) -> Metric:
        family = HistogramMetricFamily(
            "tenement_wake_duration_ms",
            "How long requests that woke an instance waited, in milliseconds",
            labels=[*_LABELS, "from"],
        )
        for view in views:
            for kind, each in self._control.wakes(view.name).items():
                counts = zip(_BOUNDS, cumulative(each.buckets), strict=True)
                labels = [view.id, view.service, kind]
                family.add_metric(labels, list(counts), sum_value=each.duration_ms_sum)
        return family


def _lives(views: list[InstanceView]) -> Iterator[Metric]:
    prefix = "tenement_instance_"
    restarts = CounterMetricFamily(
        f"{prefix}restarts_total", "Total instance restarts", labels=_ID_LABELS
    )
    used = GaugeMetricFamily(
        f"{prefix}storage_bytes", "Current storage usage in bytes", labels=_ID_LABELS
    )
    allowed = GaugeMetricFamily(
        f"{prefix}storage_quota_bytes",
        "Configured storage quota in bytes (0 = unlimited)",
        labels=_ID_LABELS,
    )
    ratio = GaugeMetricFamily(
        f"{prefix}storage_usage_ratio", "Storage usage ratio (0.0 to 1.0+)", labels=_ID_LABELS
    )
    for view in views:
        labels = [view.id, view.service]
        limit = view.storage_quota_bytes
        restarts.add_metric(labels, view.restarts)
        used.add_metric(labels, view.storage_used_bytes)
        allowed.add_metric(labels, limit)
        ratio.add_metric(labels, view.storage_used_bytes / limit if limit else 0.0)
    yield from (restarts, used, allowed, ratio)
