"""Prometheus families about resources: memory, CPU, their limits, kills and pressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from engine.core.wire import HostSample, InstanceView, Sample
    from engine.daemon.control import Control

_LABELS = ("instance", "process")
_PRESSURE_LABELS = (*_LABELS, "resource", "kind")
_FIELDS = {
    "psi_cpu": ("cpu", "some"),
    "psi_memory": ("memory", "some"),
    "psi_io": ("io", "some"),
    "psi_cpu_full": ("cpu", "full"),
    "psi_memory_full": ("memory", "full"),
    "psi_io_full": ("io", "full"),
}
_PRESSURE_TEXT = "Share of the last 10 s in which tasks waited, in percent"


def instance_metrics(control: Control, views: list[InstanceView]) -> Iterator[Metric]:
    """Yield the families of instances."""
    prefix = "tenement_instance_"
    kills = CounterMetricFamily(
        f"{prefix}oom_kills_total", "Processes killed for lack of memory", labels=_LABELS
    )
    gauges = {
        "memory_bytes": GaugeMetricFamily(f"{prefix}memory_bytes", "Memory", labels=_LABELS),
        "memory_limit_bytes": GaugeMetricFamily(
            f"{prefix}memory_limit_bytes", "Memory limit (0 = unlimited)", labels=_LABELS
        ),
        "cpu_cores": GaugeMetricFamily(f"{prefix}cpu_cores", "CPU use in cores", labels=_LABELS),
        "cpu_quota_cores": GaugeMetricFamily(
            f"{prefix}cpu_quota_cores", "CPU limit in cores (0 = unlimited)", labels=_LABELS
        ),
    }
    pressure = GaugeMetricFamily(
        f"{prefix}pressure_percent", _PRESSURE_TEXT, labels=_PRESSURE_LABELS
    )
    for view in views:
        labels = [view.id, view.service]
        kills.add_metric(labels, view.oom_kills)
        for sample in control.samples(view.name, 1):
            for field, gauge in gauges.items():
                gauge.add_metric(labels, getattr(sample, field))
            _add_pressure(pressure, labels, sample)
    yield from (kills, *gauges.values(), pressure)


def host_metrics(sample: HostSample) -> Iterator[Metric]:
    """Yield the families of the host."""
    family = GaugeMetricFamily(
        "tenement_host_pressure_percent", _PRESSURE_TEXT, labels=_PRESSURE_LABELS[2:]
    )
    _add_pressure(family, [], sample)
    yield family


def _add_pressure(
    family: GaugeMetricFamily, labels: list[str], sample: Sample | HostSample
) -> None:
    for field, (resource, kind) in _FIELDS.items():
        value = getattr(sample, field, -1.0)  # a host's CPU has no "full"
        if value >= 0:
            family.add_metric([*labels, resource, kind], value)
