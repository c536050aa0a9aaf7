"""What the fake engine of the console's tests shows: the same at every run."""

from engine.core.wire import Desired, InstanceView, Sample, State, Why

T0 = 1_750_000_000.0
"""The frozen clock: what snapshots are drawn at."""

CONFIG = """\
# One busy host.
[settings]
data_dir = "./data"

[service.api]
command = "./api --port {port}"
isolation = "namespace"
health = "/health"
memory_limit_mb = 512

[service.worker]
command = "./worker"
isolation = "process"

[service.flaky]
command = "./flaky"
restart = "on-failure"

[service.report]
command = "./report"
idle_timeout = 300

[instances]
api = ["alice", "bob", "carol"]
worker = ["import", "mail"]
"""

ACCESS = (
    "INFO  GET /api/orders?page={n} 200 12ms id=7f{n:06x}",
    "INFO  POST /api/orders 201 31ms id=7f{n:06x} items=3",
    "DEBUG cache hit key=session:{n} age=14s",
    "INFO  GET /health 200 0ms",
    "WARN  slow query 412ms: select * from orders where customer = {n}",
    "INFO  GET /api/customers/{n} 200 8ms",
    "ERROR upstream payment refused: connection reset by peer (attempt 1 of 3)",
    "INFO  GET /static/app.css 304 1ms",
)


def _instance(name: str, state: State, **more: object) -> InstanceView:
    service, _, ident = name.partition(":")
    base: dict[str, object] = {
        "name": name,
        "service": service,
        "id": ident,
        "state": state,
        "desired": Desired.RUNNING,
        "isolation": "namespace",
        "port": 30000,
        "pid": 4242,
        "started_at": T0 - 8040,
        "state_since": T0 - 8000,
        "memory_limit_bytes": 512 << 20,
    }
    return InstanceView(**{**base, **more})  # type: ignore[arg-type]


def demo_instances() -> list[InstanceView]:
    """A small host with something of everything."""
    return [
        _instance("api:alice", State.HEALTHY, port=30001, pid=4201, version="v42"),
        _instance("api:bob", State.HEALTHY, port=30002, pid=4230, version="v42", weight=50),
        _instance(
            "api:carol",
            State.DEGRADED,
            port=30003,
            pid=4260,
            version="v43",
            started_at=T0 - 95,
            state_since=T0 - 12,
            why=Why(summary="health check: 503 from /health", since=T0 - 12),
        ),
        _instance("worker:import", State.HEALTHY, isolation="process", port=0, pid=4300),
        _instance(
            "worker:mail",
            State.STARTING,
            isolation="process",
            port=0,
            pid=4310,
            started_at=T0 - 2,
            state_since=T0 - 2,
        ),
        _instance(
            "flaky:default",
            State.FAILED,
            pid=0,
            restarts=3,
            state_since=T0 - 74,
            why=Why(
                summary="killed by SIGSEGV",
                signal="SIGSEGV",
                since=T0 - 74,
                stderr_tail=(
                    "panic: runtime error: invalid memory address",
                    "goroutine 1 [running]:",
                    "main.handle(0x0, 0x1c)",
                    "    /src/main.go:88 +0x1d4",
                ),
            ),
        ),
        _instance(
            "flaky:second",
            State.BACKOFF,
            pid=0,
            restarts=2,
            until=T0 + 8,
            state_since=T0 - 3,
            why=Why(summary="exited with 2", exit_code=2, since=T0 - 3),
        ),
        _instance("report:monthly", State.ASLEEP, pid=0, state_since=T0 - 3600),
        _instance(
            "report:weekly", State.STOPPED, pid=0, desired=Desired.STOPPED, state_since=T0 - 86400
        ),
    ]


def many_instances(number: int) -> list[InstanceView]:
    """Any number of instances, most of them well."""
    found = []
    for place in range(number):
        service = ("api", "web", "worker", "mail", "search")[place % 5]
        state = State.FAILED if place % 97 == 50 else State.HEALTHY
        found.append(_instance(f"{service}:t{place:04d}", state, pid=5000 + place))
    return found


def sample_of(name: str, at: float, busy: float = 1.0) -> Sample:
    """Figures that depend on name and second only."""
    seed = sum(map(ord, name)) * 7919
    noise = ((int(at) * 2654435761 + seed) >> 7) % 1000 / 1000
    wave = ((int(at) + seed) % 90) / 90
    load = busy * (0.15 + 0.5 * wave + 0.25 * noise)
    return Sample(
        time=at,
        cpu_cores=round(load, 3),
        cpu_quota_cores=2.0 if seed % 3 == 0 else 0.0,
        throttled=0.0,
        memory_bytes=int((90 + seed % 200 + 120 * wave) * (1 << 20)),
        memory_limit_bytes=512 << 20,
        requests=round(busy * (20 + 90 * wave + 10 * noise), 1),
        errors=round(1.2 * noise, 1) if "carol" in name else 0.0,
        p95_ms=round(9 + 12 * noise, 1),
        inflight=int(3 * noise),
        log_lines=round(busy * (4 + 60 * wave * noise), 1),
        log_errors=round(2 * noise, 1) if "carol" in name else 0.0,
        pids=4,
    )


QUIET = {State.FAILED, State.BACKOFF, State.ASLEEP, State.STOPPED}
"""States without figures."""
