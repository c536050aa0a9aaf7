"""A bundle of one instance, for tests."""

from engine.core.metrics import KeptMetric, Point
from engine.core.wire import (
    ConfigView,
    Desired,
    EngineView,
    Event,
    EventKind,
    HostSample,
    InstanceView,
    LogLine,
    LogWindow,
    Sample,
    ServiceView,
    Snapshot,
    State,
)
from engine.core.wire_series import Metrics
from ten_tui.client.bundle_file import Bundle, Manifest

AT = 1_700_000_000
NAME = "api:a"


def line(number: int, text: str, stream: str = "stdout") -> LogLine:
    return LogLine(number, (AT + number) * 10**9, stream, text)


LATER = [line(3, "b"), line(4, "x2"), line(5, "c")]


def small_state() -> Snapshot:
    engine = EngineView(
        version="1", api_version=1, hostname="h", pid=2, started_at=1.0, data_dir="/d",
        domain="localhost", url="http://localhost:1",
    )  # fmt: skip
    one = InstanceView(
        name=NAME, service="api", id="a", state=State.HEALTHY, desired=Desired.RUNNING,
        isolation="process",
    )  # fmt: skip
    return Snapshot(
        engine=engine,
        host=HostSample(AT + 60.0, cores=2),
        services=[ServiceView(name="api", command="x", isolation="process")],
        instances=[one],
        samples={NAME: Sample(AT + 60.0)},
        config=ConfigView(path="/t", text='token = "abcd1234"', loaded_at=1.0),
        events=[],
    )


def small_bundle() -> Bundle:
    points = [Point(AT + step, 1.0, 3.0, 2.0, 2.0) for step in (0, 10, 20)]
    return Bundle(
        manifest=Manifest(host="h", engine="1", program="1", since=AT, until=AT + 60.0),
        state=small_state(),
        doctor=None,
        events=[
            Event(id=number, time=AT + number, kind=EventKind.STATE, text=f"e{number}")
            for number in (1, 2, 3)
        ],
        samples=[Metrics(name=NAME, samples=[Sample(AT + 60.0, cpu_cores=0.5)])],
        metrics=[
            KeptMetric(
                instance=NAME, name="cpu", unit="cores", since=AT, until=AT + 60, step=10,
                points=points,
            )
        ],
        logs=[
            LogWindow(name=NAME, oldest=0, end=6, lines=LATER),
            LogWindow(name=NAME, oldest=0, end=6, lines=[line(1, "x1"), line(2, "a", "stderr")]),
        ],
    )  # fmt: skip
