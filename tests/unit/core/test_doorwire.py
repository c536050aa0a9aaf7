"""The messages between engine and doors as they lie on the wire."""

import msgspec
import pytest

from engine.core import doorwire
from engine.core.doorwire import (
    DoorHello,
    EngineHello,
    InstanceIs,
    InstanceStats,
    RouteInstance,
    RouteRules,
    RouteService,
    RouteState,
    RouteTable,
    Stats,
    TableIs,
    Wake,
    WakeFailed,
    WakeRule,
)


@pytest.mark.parametrize(
    "message",
    [
        EngineHello(epoch=3),
        TableIs(version=7),
        InstanceIs(name="api:a", entry=RouteInstance(state=RouteState.UP, port=9)),
        WakeFailed(name="api:a", retry_after=2.5),
    ],
)
def test_engine_messages_come_back_as_they_were(message):
    assert doorwire.decode_from_engine(doorwire.encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        DoorHello(index=1, pid=42, version=9),
        Wake(name="api:alice"),
        Stats(version=2, instances={"api:a": InstanceStats(requests=3, inflight=1, last=5.5)}),
    ],
)
def test_door_messages_come_back_as_they_were(message):
    assert doorwire.decode_from_door(doorwire.encode(message)) == message


def test_the_type_is_in_the_record():
    assert doorwire.encode(Wake(name="api:a")) == b'{"type":"wake","name":"api:a"}'


def test_a_table_comes_back_as_it_was():
    table = RouteTable(
        version=4,
        domain="example.com",
        services={
            "api": RouteService(
                wake=WakeRule.KNOWN,
                instances={"a": RouteInstance(state=RouteState.UP, port=30000)},
            )
        },
        routing=RouteRules(default="api", subdomain={"www": "api:a"}, path={"/docs": "api"}),
    )
    assert doorwire.decode_table(doorwire.encode(table)) == table


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"type":"wake"}',
        b'{"type":"table","version":1}',
        b'{"type":"stats","version":1,"instances":{"a":{"requests":"many"}}}',
    ],
)
def test_a_door_that_says_something_else_is_refused(data):
    with pytest.raises(msgspec.DecodeError):
        doorwire.decode_from_door(data)
