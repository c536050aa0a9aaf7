"""engine.daemon.api.live and scope: the state, its stream, undo, reload, by credential."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from engine.core.wire import (
    ConfigChanged,
    ConfigView,
    ConsoleView,
    Desired,
    Event,
    EventHappened,
    EventKind,
    HostSample,
    InstanceChanged,
    InstanceGone,
    InstanceView,
    Ping,
    Sample,
    Samples,
    Snapshot,
    State,
    Update,
)
from engine.daemon.api import live
from engine.daemon.api.scope import scoped
from engine.daemon.auth import Credential, Scope
from tests.fakes import FakeControl
from tests.served import Served

ALICE = Credential(name="token tenant alice", scope=Scope.TENANT, tenant="alice")
ADMIN = Credential(name="root", scope=Scope.ADMIN)


@contextmanager
def updates(served: Served, token: str = "") -> Iterator[Iterator[Update]]:
    link = served.connection()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    link.request("GET", "/api/v1/stream", headers=headers)
    answer = link.getresponse()
    assert answer.status == 200
    assert answer.getheader("content-type") == "application/x-ndjson"

    def each() -> Iterator[Update]:
        while line := answer.readline():
            yield msgspec.json.decode(line, type=Update)  # type: ignore[arg-type]

    try:
        yield each()
    finally:
        answer.close()
        link.close()


def test_the_stream_begins_with_everything_and_goes_on_with_changes(local: Served) -> None:
    with updates(local) as found:
        first = next(found)
        assert isinstance(first, Snapshot)
        assert [view.name for view in first.instances][:2] == ["api:alice", "api:bob"]
        local.ask("PUT", "/api/instances/api:bob/weight", {"weight": 7})
        changed = next(found)
        assert isinstance(changed, InstanceChanged)
        assert (changed.instance.name, changed.instance.weight) == ("api:bob", 7)
        assert isinstance(next(found), EventHappened)


def test_a_ping_comes_in_silence_and_in_noise(
    local: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PING_SECONDS", 0.05)
    with updates(local) as found:
        next(found)
        assert isinstance(next(found), Ping)
        assert isinstance(next(found), Ping)


def test_readers_that_leave_are_forgotten(local: Served) -> None:
    with updates(local) as found:
        next(found)
        assert local.do(len, local.control.broadcaster) == 1
    for _ in range(500):
        if local.do(len, local.control.broadcaster) == 0:
            break
    assert local.do(len, local.control.broadcaster) == 0


def test_the_stream_ends_with_the_engine_and_with_its_subscription(local: Served) -> None:
    with updates(local) as found:
        next(found)
        local.do(local.control.broadcaster.close)
        assert list(found) == []
    with updates(local) as found:
        next(found)
        local.do(local.server.app.state.closing.set)
        assert list(found) == []


def test_a_tenants_stream_holds_its_own(remote: Served) -> None:
    with updates(remote, remote.other_token("alice")) as found:
        first = next(found)
        assert isinstance(first, Snapshot)
        assert [view.name for view in first.instances] == ["api:alice"]
        assert b"bob" not in msgspec.json.encode(first)
        remote.call(remote.control.spawn("api:zoe", actor="root"))
        remote.call(remote.control.restart("api:alice", actor="root"))
        changed = next(found)
        assert isinstance(changed, InstanceChanged)
        assert changed.instance.name == "api:alice"


def everything(name: str) -> list[Update]:
    control = FakeControl()
    ident = name.partition(":")[2]
    config = ConfigView(path="/x", text="secret", loaded_at=1.0)
    event = Event(id=1, time=1.0, kind=EventKind.ACTION, text="t", instance=name)
    view = InstanceView(
        name=name,
        service="api",
        id=ident,
        state=State.HEALTHY,
        desired=Desired.RUNNING,
        isolation="process",
    )
    return [
        InstanceChanged(instance=view),
        InstanceGone(name=name),
        EventHappened(event=event),
        ConfigChanged(config=config, services=control.service_views()),
        Ping(time=1.0),
    ]


def test_what_a_tenant_gets_of_each_record() -> None:
    assert [type(one) for one in everything("api:alice") if scoped(ALICE, one)] == [
        InstanceChanged,
        InstanceGone,
        EventHappened,
        Ping,
    ]
    assert [type(one) for one in everything("api:bob") if scoped(ALICE, one)] == [Ping]
    assert [one for one in everything("api:bob") if scoped(ADMIN, one) is None] == []


def test_a_tenants_samples_are_its_own_and_the_hosts_are_nobodys() -> None:
    host = HostSample(5.0, cpu_cores=1.5, memory_bytes=9)
    samples = Samples(host=host, instances={"api:alice": Sample(5.0), "api:bob": Sample(5.0)})
    assert scoped(ALICE, samples) == Samples(
        host=HostSample(5.0), instances={"api:alice": Sample(5.0)}
    )
    assert scoped(ADMIN, samples) is samples


def test_the_state_once(local: Served) -> None:
    snapshot = local.ask("GET", "/api/v1/snapshot").json()
    assert {"engine", "host", "services", "instances", "samples", "config", "events"} <= set(
        snapshot
    )
    assert len(local.ask("GET", "/api/v1/instances").json()) == 5
    assert local.ask("GET", "/api/v1/engine").json()["hostname"] == "fake-host"
    assert "[service.api]" in local.ask("GET", "/api/v1/config").json()["text"]


def test_undo(local: Served) -> None:
    local.ask("PUT", "/api/instances/api:bob/weight", {"weight": 7})
    answer = local.ask("POST", "/api/v1/instances/api:bob/undo")
    assert answer.json() == {"undone": "weight 100"}
    assert local.control.views["api:bob"].weight == 100
    again = local.ask("POST", "/api/v1/instances/api:bob/undo")
    assert (again.status, again.json()["kind"]) == (409, "refused")
    assert local.ask("POST", "/api/v1/instances/api:nn/undo").status == 404
    assert local.ask("POST", "/api/v1/instances/nn/undo").status == 400


def test_metrics_of_one(local: Served) -> None:
    def sample() -> None:
        from collections import deque

        local.control.figures["api:bob"] = deque(Sample(float(n)) for n in range(100))

    local.do(sample)
    found = local.ask("GET", "/api/v1/metrics/api:bob?seconds=3").json()
    assert [one[0] for one in found["samples"]] == [97.0, 98.0, 99.0]
    assert local.ask("GET", "/api/v1/metrics/api:nn").status == 404
    for seconds in ("0", "901", "x"):
        assert local.ask("GET", f"/api/v1/metrics/api:bob?seconds={seconds}").status == 400


def test_events_after_one(local: Served) -> None:
    events = local.ask("GET", "/api/v1/events").json()
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    later = local.ask("GET", f"/api/v1/events?after={events[1]['id']}&limit=2").json()
    assert [event["id"] for event in later] == [3, 4]
    for query in ("after=-1", "limit=0", "limit=1001", "after=x"):
        assert local.ask("GET", f"/api/v1/events?{query}").status == 400


def test_reload(local: Served) -> None:
    before = local.control.config_view().loaded_at
    answer = local.ask("POST", "/api/v1/config/reload")
    assert json.loads(answer.body)["loaded_at"] >= before
    assert local.ask("GET", "/api/v1/config/reload").status == 405


def test_who_is_attached_is_told_with_where_and_made_harmless(local: Served) -> None:
    def listed() -> list[dict[str, object]]:
        link = local.connection()
        link.request("GET", "/api/v1/consoles")
        found = json.loads(link.getresponse().read())
        link.close()
        return found

    assert listed() == []
    link = local.connection()
    link.request("GET", "/api/v1/stream?place=pts%2F3%1b%5B31m")
    answer = link.getresponse()
    first = msgspec.json.decode(answer.readline(), type=Update)
    assert isinstance(first, Snapshot)
    assert [one.place.startswith("pts/3") for one in first.consoles] == [True]
    assert "\x1b" not in first.consoles[0].place
    found = listed()
    assert len(found) == 1
    assert found[0]["who"] == first.consoles[0].who
    answer.close()
    link.close()


def test_a_place_that_is_too_long_is_refused(local: Served) -> None:
    link = local.connection()
    link.request("GET", f"/api/v1/stream?place={'x' * 61}")
    assert link.getresponse().status == 400
    link.close()


def test_a_tenant_learns_of_its_own_consoles_only() -> None:
    mine = ConsoleView(who=ALICE.name)
    both = (ConsoleView(who="root"), mine)
    host = HostSample(time=5.0)
    samples = Samples(host=host, instances={}, consoles=both)
    assert scoped(ADMIN, samples) is samples
    seen = scoped(ALICE, samples)
    assert isinstance(seen, Samples)
    assert seen.consoles == (mine,)
