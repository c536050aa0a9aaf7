"""A bundle that is asked like an engine."""

import re
import threading

import pytest

from engine.core.errors import NotFound, Refused
from engine.core.wire import Snapshot
from ten_tui.client.recording import Recording, Replay
from tests.unit.ten_tui.client.bundles import AT, NAME, small_bundle


@pytest.fixture
def client() -> Replay:
    return Recording(small_bundle()).connect()


def test_the_state_says_that_it_is_a_recording(client: Replay) -> None:
    engine = client.snapshot().engine
    assert engine.is_recording
    assert re.fullmatch(r"recording of h from 2023-11-1\d \d\d:13 to \d\d:14", engine.banner)


def test_the_stream_gives_the_state_and_waits_until_it_is_closed(client: Replay) -> None:
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.extend(client.stream()))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    client.close()
    reader.join(5)
    assert not reader.is_alive()
    assert [type(one) for one in got] == [Snapshot]


def test_windows(client: Replay) -> None:
    def texts(**how: object) -> list[str]:
        return [line.text for line in client.log_window(NAME, **how).lines]  # type: ignore[arg-type]

    assert texts(count=2) == ["x2", "c"]
    assert texts(first=2, count=2) == ["a", "b"]
    assert texts(text="x") == ["x1", "x2"]
    assert texts(text="x2", context=1) == ["b", "x2", "c"]
    assert texts(stream="stderr") == ["a"]
    assert texts(since_ns=(AT + 2) * 10**9, until_ns=(AT + 3) * 10**9) == ["a", "b"]
    window = client.log_window(NAME)
    assert (window.oldest, window.end) == (1, 6)
    with pytest.raises(NotFound, match="no log of api:b"):
        client.log_window("api:b")


def test_searches(client: Replay) -> None:
    found = client.log_search(NAME, text="x", first=0)
    assert ([line.text for line in found.lines], found.next) == (["x1"], 4)
    found = client.log_search(NAME, text="x", first=found.next)
    assert ([line.text for line in found.lines], found.next) == (["x2"], -1)
    back = client.log_search(NAME, text="^[xa]", first=3, is_backward=True, is_regex=True, limit=2)
    assert [line.text for line in back.lines] == ["a", "x1"]


def test_the_past(client: Replay) -> None:
    kept = client.kept_list(NAME, ["cpu"], since=AT + 5, until=AT + 20)
    assert [point.time for point in kept[0].points] == [AT + 10]
    (service,) = client.kept_list(
        NAME.partition(":")[0] + ":", ["cpu"], since=AT + 5, until=AT + 20
    )
    assert service.points == kept[0].points, "there is one of it"
    with pytest.raises(NotFound, match="no cpu of nobody:"):
        client.kept_list("nobody:", ["cpu"], since=0, until=AT)
    moment = client.moment(AT + 15.0)
    assert moment.instances[NAME].cpu_cores == 2.0
    assert moment.host.cores == 2
    assert client.moment(AT + 40.0).instances == {}
    with pytest.raises(NotFound, match="no memory of api:a"):
        client.kept_list(NAME, ["memory"], since=0, until=AT)
    assert [sample.cpu_cores for sample in client.metrics(NAME)] == [0.5]


def test_events(client: Replay) -> None:
    assert [event.id for event in client.events(limit=2)] == [2, 3]
    assert [event.id for event in client.events(after=1, limit=1)] == [2]


def test_what_acts_is_refused(client: Replay) -> None:
    for act in (client.spawn, client.stop, client.restart, client.undo):
        with pytest.raises(Refused, match="This is a recording"):
            act(NAME)
    with pytest.raises(Refused, match="This is a recording"):
        client.ask("POST", "/api/rollouts", object)
