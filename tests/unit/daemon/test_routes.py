"""What a door is told of an instance in each state."""

import asyncio

import msgspec
import pytest

from engine.core.doorwire import RouteState, RouteTable, WakeRule
from engine.core.life import ROUTED, Life
from engine.core.spec import Config, RoutingSpec, ServiceSpec, Settings, Wake
from engine.core.wire import State
from engine.daemon.door_link import Doors
from engine.daemon.instance import Instance
from engine.daemon.registry import Registry
from engine.daemon.routes import ROUTE_STATES, Routes, route_table

API = ServiceSpec(name="api", command="x", wake=Wake.KNOWN, request_timeout_seconds=7)
CONFIG = Config(
    path="",
    settings=Settings(data_dir="/d"),
    services={"api": API},
    routing=RoutingSpec(default="api"),
)


@pytest.mark.parametrize("state", list(State))
def test_requests_go_to_instances_that_are_in_the_rotation_and_nowhere_else(state: State) -> None:
    assert (ROUTE_STATES[state] is RouteState.UP) is (state in ROUTED)


async def test_a_table_says_what_is_configured_and_known() -> None:
    registry = Registry(CONFIG)
    instance = registry.instances["api:a"] = Instance(
        "api:a", API, Life(name="api:a", state=State.HEALTHY)
    )
    instance.weight = 30
    registry.instances["gone:x"] = Instance("gone:x", msgspec.structs.replace(API, name="gone"))
    table = route_table(9, "example.org", CONFIG, registry)
    assert (table.version, table.domain, table.routing.default) == (9, "example.org", "api")
    assert set(table.services) == {"api"}
    service = table.services["api"]
    assert (service.wake, service.request_timeout) == (WakeRule.KNOWN, 7)
    assert service.instances["a"].state is RouteState.UP
    assert service.instances["a"].weight == 30


async def test_tables_wait_until_all_is_known_and_changes_of_one_turn_share_one() -> None:
    made: list[int] = []

    def make(version: int) -> RouteTable:
        made.append(version)
        return RouteTable(version=version)

    doors = Doors(lambda _: None, lambda _: None)
    routes = Routes(doors, make)
    routes.touch()
    await asyncio.sleep(0.01)
    assert made == []
    promised = routes.next_version
    routes.open()
    routes.touch()
    routes.touch()
    await asyncio.sleep(0.01)
    assert made == [promised]
    routes.touch()
    await asyncio.sleep(0.01)
    assert made == [promised, promised + 1]
    doors.close()
