"""A client sees everything once, or a new snapshot."""

import asyncio

import pytest

from engine.core.wire import (
    ConfigView,
    ConsoleView,
    Desired,
    EngineView,
    Event,
    EventHappened,
    EventKind,
    HostSample,
    InstanceChanged,
    InstanceGone,
    InstanceView,
    Sample,
    Samples,
    Snapshot,
    State,
)
from engine.core.wire_rollout import RolloutChanged, RolloutView
from engine.daemon.stream import MAX_QUEUED, Broadcaster


def snapshot() -> Snapshot:
    return Snapshot(
        engine=EngineView(
            version="1",
            api_version=1,
            hostname="h",
            pid=1,
            started_at=0.0,
            data_dir="/d",
            domain="localhost",
            url="http://localhost:1",
        ),
        host=HostSample(time=0.0),
        services=[],
        instances=[],
        samples={},
        config=ConfigView(path="", text="", loaded_at=0.0),
        events=[],
    )


def event(number: int) -> EventHappened:
    return EventHappened(
        event=Event(id=number, time=0.0, kind=EventKind.STATE, text=f"event {number}")
    )


def changed(name: str, weight: int) -> InstanceChanged:
    service, _, ident = name.partition(":")
    return InstanceChanged(
        instance=InstanceView(
            name=name,
            service=service,
            id=ident,
            state=State.HEALTHY,
            desired=Desired.RUNNING,
            isolation="process",
            weight=weight,
        )
    )


async def test_the_first_update_is_a_snapshot_taken_when_it_is_asked_for() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    broadcaster.publish(event(1))  # is in the snapshot, which is taken later
    assert await client.get() == snapshot()
    broadcaster.publish(event(2))
    assert await client.get() == event(2)


async def test_samples_and_views_of_one_instance_are_replaced_where_they_stand() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    await client.get()
    old, new = (Samples(host=HostSample(time=t), instances={}) for t in (1.0, 2.0))
    for update in (old, changed("a:b", 1), event(1), new, changed("a:b", 2), changed("a:c", 3)):
        broadcaster.publish(update)
    got = [await client.get() for _ in range(4)]
    assert got == [new, changed("a:b", 2), event(1), changed("a:c", 3)]
    broadcaster.publish(old)
    assert await client.get() == old


async def test_a_rollout_s_view_is_replaced_where_it_stands() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    await client.get()
    old, new, other = (
        RolloutChanged(
            rollout=RolloutView(
                service=service,
                strategy="canary",
                state="observing",
                step=step,
                steps=4,
                news=(),
                olds=(),
                weights={},
            )
        )
        for service, step in (("api", 1), ("api", 2), ("web", 1))
    )
    for update in (old, other, new):
        broadcaster.publish(update)
    assert [await client.get() for _ in range(2)] == [new, other]


async def test_an_instance_that_comes_back_comes_after_it_went() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    await client.get()
    gone = InstanceGone(name="a:b")
    for update in (changed("a:b", 1), gone, changed("a:b", 2)):
        broadcaster.publish(update)
    assert [await client.get() for _ in range(3)] == [changed("a:b", 1), gone, changed("a:b", 2)]


async def test_a_client_that_falls_behind_gets_a_snapshot_in_the_place_of_its_queue() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    await client.get()
    for number in range(MAX_QUEUED + 5):
        broadcaster.publish(event(number))
    assert await client.get() == snapshot()
    broadcaster.publish(event(9999))
    assert await client.get() == event(9999)


async def test_a_waiting_client_is_woken_and_one_that_left_is_forgotten() -> None:
    broadcaster = Broadcaster(snapshot)
    client = broadcaster.subscribe(ConsoleView(who="root"))
    await client.get()
    waiting = asyncio.gather(client.get())
    await asyncio.sleep(0)
    broadcaster.publish(Samples(host=HostSample(time=1.0), instances={"a:b": Sample(time=1.0)}))
    assert isinstance((await waiting)[0], Samples)
    waiting = asyncio.gather(client.get())
    await asyncio.sleep(0)
    broadcaster.close()
    with pytest.raises(ConnectionError):
        await waiting
    assert len(broadcaster) == 0


async def test_who_is_there_is_listed_from_the_first_to_come_and_not_when_gone() -> None:
    broadcaster = Broadcaster(snapshot)
    late = ConsoleView(who="eva", place="pts/2", since=20.0)
    early = ConsoleView(who="root", since=10.0)
    one, other = broadcaster.subscribe(late), broadcaster.subscribe(early)
    assert broadcaster.consoles() == (early, late)
    other.close()
    assert broadcaster.consoles() == (late,)
    one.close()
    assert broadcaster.consoles() == ()
