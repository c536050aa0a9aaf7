"""A service's instances as one: what their figures come to together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.wire import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUMS = (
    "cpu_cores",
    "memory_bytes",
    "swap_bytes",
    "io_read_bytes",
    "io_write_bytes",
    "requests",
    "errors",
    "log_lines",
    "log_errors",
    "inflight",
    "pids",
    "restarts",
)
_GREATEST = (
    "time",
    "throttled",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "psi_cpu",
    "psi_memory",
    "psi_io",
    "psi_cpu_full",
    "psi_memory_full",
    "psi_io_full",
)
"""What is of one instance: the worst of them is told."""


def is_group(name: str) -> bool:
    """Tell whether a name is that of a service's group, "api:"."""
    return name.endswith(":")


def together(group: str, samples: Mapping[str, Sample]) -> Sample | None:
    """Put the figures of a group's instances together; None where none of them runs.

    Limits are each instance's own: there is none of all.
    """
    found = [sample for name, sample in samples.items() if name.startswith(group)]
    if not found:
        return None
    sums = {field: sum(getattr(each, field) for each in found) for field in _SUMS}
    greatest = {field: max(getattr(each, field) for each in found) for field in _GREATEST}
    return Sample(**sums, **greatest)
