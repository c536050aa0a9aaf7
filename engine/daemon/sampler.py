"""One sample a second of every running instance, and of the host.

From the cgroup where there is one: its counters hold what ended since as well. Without the
memory controller, memory is that of the processes in it; without a cgroup, everything is read
from the process tree by one pass over /proc for all instances together.

Samples are taken in slices that leave the loop free in between.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, TypedDict

import psutil

from engine.core.latency import Traffic, percentile
from engine.core.wire import HostSample, Sample
from engine.daemon.clock import wall
from engine.daemon.instance import Enforced
from engine.kernel.pressure import REFRESH_SECONDS, RESOURCES, Pressure, host_pressure
from engine.kernel.proctable import (
    TICKS_PER_SECOND,
    ProcessIo,
    ProcessStat,
    ProcessTable,
    process_io,
    process_stat,
    resident_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from engine.kernel.cgroup import Cgroup

SLICE = 32
"""Instances sampled before the loop gets its turn."""

IO_EVERY = 5
"""Without the io controller the bytes moved are read of each process, so only each fifth time."""

PERCENTILES = (0.5, 0.95, 0.99)

_NO_TRAFFIC = Traffic()


class _Pressures(TypedDict):
    """The fields of a sample that tell how long processes waited."""

    psi_cpu: float
    psi_memory: float
    psi_io: float
    psi_cpu_full: float
    psi_memory_full: float
    psi_io_full: float


class _Latencies(TypedDict):
    """The fields of a sample that tell how long requests took."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class _Fields(_Pressures):
    """The fields of a sample that tell of processes."""

    cpu_cores: float
    cpu_quota_cores: float
    throttled: float
    memory_bytes: int
    memory_limit_bytes: int
    swap_bytes: int
    io_read_bytes: float
    io_write_bytes: float
    pids: int


class _Rate:
    """Turns a counter into a rate; one that falls (a process ended) counts as standing still."""

    __slots__ = ("_time", "_value", "rate")

    def __init__(self) -> None:
        self._value: float | None = None
        self._time = 0.0
        self.rate = 0.0

    def update(self, value: float, now: float) -> float:
        if self._value is None:
            self._value, self._time = value, now
        elif now > self._time:
            self.rate = max(0.0, value - self._value) / (now - self._time)
            self._value, self._time = value, now
        return self.rate


class _Io:
    """Bytes moved by processes, those that ended since the first look included."""

    def __init__(self) -> None:
        self._living: dict[int, ProcessIo] = {}
        self._gone = [0, 0]

    def update(self, pids: Iterable[int]) -> tuple[int, int]:
        found = {pid: moved for pid in pids if (moved := process_io(pid)) is not None}
        for pid, moved in self._living.items():
            if pid not in found:
                self._gone[0] += moved.read_bytes
                self._gone[1] += moved.write_bytes
        self._living = found
        return (
            self._gone[0] + sum(moved.read_bytes for moved in found.values()),
            self._gone[1] + sum(moved.write_bytes for moved in found.values()),
        )


class _Meter:
    """Reads the counters of one process and all it started, from its launch to its end."""

    def __init__(self, pids: tuple[int, int], cgroup: Cgroup | None, io_turn: int) -> None:
        """Take what to measure; `pids` are the init (or reaper) and the program."""
        self.pid, main_pid = pids
        self.cgroup = cgroup
        # An init is a fork of the keeper: its pages are the keeper's, not the instance's.
        self._init = self.pid if self.pid != main_pid else 0
        self.enforced = Enforced()
        self._cpu, self._throttled = _Rate(), _Rate()
        self._read, self._write = _Rate(), _Rate()
        self._has_io_controller = cgroup is not None and cgroup.io_stat() is not None
        self._io = _Io()
        self._io_turn = io_turn % IO_EVERY
        self._pressures = _pressures({})
        self._swap_bytes = 0
        self._pressure_due = 0.0
        if cgroup is not None:
            self._update_cpu(cgroup, time.monotonic())

    def measure(self, table: ProcessTable, tree: list[int], now: float) -> _Fields:
        """Give the fields of a sample that tell of the processes."""
        cgroup = self.cgroup
        if cgroup is None:
            pids = tree
            ticks = sum(_ticks(table.stats[pid]) for pid in tree)
            self._cpu.update(ticks / TICKS_PER_SECOND, now)
        else:
            pids = cgroup.pids()
            self._update_cpu(cgroup, now)
        programs = [pid for pid in pids if pid != self._init]
        self._update_io(programs, now)
        memory = cgroup.memory_current() if cgroup is not None else None
        return {
            "cpu_cores": self._cpu.rate,
            "cpu_quota_cores": self.enforced.cpu_cores,
            "throttled": min(1.0, self._throttled.rate),
            "memory_bytes": resident_bytes(programs) if memory is None else memory,
            "memory_limit_bytes": self.enforced.memory_bytes,
            "io_read_bytes": self._read.rate,
            "io_write_bytes": self._write.rate,
            "pids": len(programs),
            **self._update_pressure(now),
            "swap_bytes": self._swap_bytes,
        }

    def _update_pressure(self, now: float) -> _Pressures:
        if self.cgroup is not None and now >= self._pressure_due:
            self._pressure_due = now + REFRESH_SECONDS - 0.5
            self._pressures = _pressures(self.cgroup.pressure())
            self._swap_bytes = self.cgroup.swap_current()  # moves slowly: not each second either
        return self._pressures

    def _update_cpu(self, cgroup: Cgroup, now: float) -> None:
        found = cgroup.cpu_stat()
        self._cpu.update(found.get("usage_usec", 0) / 1e6, now)
        self._throttled.update(found.get("throttled_usec", 0) / 1e6, now)

    def _update_io(self, pids: list[int], now: float) -> None:
        if self._has_io_controller and self.cgroup is not None:
            read, write = self.cgroup.io_stat() or (0, 0)
        else:
            self._io_turn = (self._io_turn + 1) % IO_EVERY
            if self._io_turn:
                return
            read, write = self._io.update(pids)
        self._read.update(read, now)
        self._write.update(write, now)


def _latencies(traffic: Traffic) -> _Latencies:
    if not traffic.requests:
        return {"p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0}
    half, most, nearly_all = (percentile(traffic.buckets, share) for share in PERCENTILES)
    return {"p50_ms": half, "p95_ms": most, "p99_ms": nearly_all}


def _pressures(found: Mapping[str, Pressure]) -> _Pressures:
    cpu, memory, io = (found.get(each, Pressure()) for each in RESOURCES)
    return {
        "psi_cpu": max(0.0, cpu.some),
        "psi_memory": max(0.0, memory.some),
        "psi_io": max(0.0, io.some),
        "psi_cpu_full": max(0.0, cpu.full),
        "psi_memory_full": max(0.0, memory.full),
        "psi_io_full": max(0.0, io.full),
    }


class Sampler:
    """Samples every watched instance."""

    def __init__(
        self,
        *,
        log_counters: Callable[[str], tuple[int, int]],
        inflight: Callable[[str], int],
        restarts: Callable[[str], int],
    ) -> None:
        """Watch nothing yet.

        Args:
            log_counters: Gives for a name the lines its ring ever took: of both streams
                together, and of stderr.
            inflight: Gives for a name the requests at the doors now.
            restarts: Gives for a name how often it was restarted automatically.
        """
        self._log_counters = log_counters
        self._inflight = inflight
        self._restarts = restarts
        self._meters: dict[str, _Meter] = {}
        self._lines: dict[str, tuple[_Rate, _Rate]] = {}
        self._sampled = time.monotonic()
        self._table = ProcessTable()

    def watch(
        self,
        name: str,
        *,
        pid: int,
        main_pid: int,
        cgroup: Cgroup | None,
    ) -> None:
        """Sample a process from now on; one of that name before it is sampled no more.

        `pid` is the root of its tree, `main_pid` the program: where they differ, the first is
        ours and does not count as the instance's.
        """
        turn = len(self._meters)
        self._meters[name] = _Meter((pid, main_pid), cgroup, turn)

    def limit(self, name: str, enforced: Enforced) -> None:
        """Show these limits with its samples from now on; unknown names are fine."""
        if meter := self._meters.get(name):
            meter.enforced = enforced

    def unwatch(self, name: str) -> None:
        """Sample it no more; call it before the cgroup is closed. Unknown names are fine."""
        self._meters.pop(name, None)
        self._lines.pop(name, None)

    async def sample(self, traffic: Mapping[str, Traffic]) -> dict[str, Sample]:
        """Sample every watched instance once.

        `traffic` counts for the time since the last call; all else has its own clock, so that a
        late call does not show as a burst.
        """
        elapsed, self._sampled = _lap(self._sampled)
        trees = self._scan()
        found: dict[str, Sample] = {}
        for count, (name, meter) in enumerate(list(self._meters.items()), 1):
            if count % SLICE == 0:
                await asyncio.sleep(0)
            if self._meters.get(name) is not meter:
                continue  # it ended while others were sampled
            fields = meter.measure(self._table, trees.get(meter.pid, []), time.monotonic())
            found[name] = self._sample_of(name, fields, traffic.get(name, _NO_TRAFFIC), elapsed)
        return found

    def _scan(self) -> Mapping[int, list[int]]:
        roots = [meter.pid for meter in self._meters.values() if meter.cgroup is None]
        return self._table.scan(roots) if roots else {}

    def _sample_of(self, name: str, fields: _Fields, traffic: Traffic, elapsed: float) -> Sample:
        now = time.monotonic()
        lines, errors = self._lines.setdefault(name, (_Rate(), _Rate()))
        total, stderr = self._log_counters(name)
        return Sample(
            wall(),
            **fields,
            requests=traffic.requests / elapsed,
            errors=traffic.errors / elapsed,
            **_latencies(traffic),
            inflight=self._inflight(name),
            restarts=self._restarts(name),
            log_lines=lines.update(total, now),
            log_errors=errors.update(stderr, now),
        )


class HostSampler:
    """Samples the host, and what our own processes cost it."""

    def __init__(self, data_dir: Path, own_pids: Callable[[], Iterable[int]]) -> None:
        """Take the folder whose disk is shown, and who we are: keeper, engine and doors."""
        self._data_dir = data_dir
        self._own_pids = own_pids
        self._cores = os.cpu_count() or 1
        self._cpu = _Rate()
        self._own: dict[int, _Rate] = {}
        self._sampled = time.monotonic()
        self._cpu.update(_busy_seconds(), self._sampled)
        self._own_cores(self._sampled)

    def sample(self, traffic: Iterable[Traffic] = ()) -> HostSample:
        """Sample once; `traffic` is that of all instances since the last call."""
        elapsed, self._sampled = _lap(self._sampled)
        now = self._sampled
        total = Traffic()
        for each in traffic:
            total.add(each.requests, each.errors, each.duration_ms_sum, each.buckets)
        memory = psutil.virtual_memory()
        memory_pressure, io_pressure = host_pressure("memory"), host_pressure("io")
        free, size = _disk(self._data_dir)
        return HostSample(
            time=wall(),
            cpu_cores=min(self._cpu.update(_busy_seconds(), now), float(self._cores)),
            cores=self._cores,
            memory_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            swap_bytes=psutil.swap_memory().used,
            load1=os.getloadavg()[0],
            psi_cpu=host_pressure("cpu").some,
            psi_memory=memory_pressure.some,
            psi_io=io_pressure.some,
            psi_memory_full=memory_pressure.full,
            psi_io_full=io_pressure.full,
            requests=total.requests / elapsed,
            errors=total.errors / elapsed,
            **_latencies(total),
            disk_free_bytes=free,
            disk_total_bytes=size,
            engine_cpu_cores=self._own_cores(now),
        )

    def _own_cores(self, now: float) -> float:
        rates: dict[int, _Rate] = {}
        for pid in self._own_pids():
            found = process_stat(pid)
            if found is not None:
                rates[pid] = self._own.get(pid) or _Rate()
                rates[pid].update(found.own_ticks / TICKS_PER_SECOND, now)
        self._own = rates
        return sum(rate.rate for rate in rates.values())


def _lap(since: float) -> tuple[float, float]:
    """Give the seconds since a time, never 0, and the time now."""
    now = time.monotonic()
    return max(now - since, 1e-3), now


def _ticks(stat: ProcessStat) -> int:
    """Give what a process of a tree used, with its ended children: a child's end moves nothing."""
    return stat.own_ticks + stat.waited_ticks


def _busy_seconds() -> float:
    """Give the CPU time all cores have worked for this host; time of guests is in user already."""
    times = psutil.cpu_times()
    return float(
        sum(times) - times.idle - times.iowait - times.steal - times.guest - times.guest_nice
    )


def _disk(folder: Path) -> tuple[int, int]:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0, 0
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
