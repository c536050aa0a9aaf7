"""Which instances are known, and what the next engine finds of them."""

import time

import msgspec
import pytest

from engine.core.errors import NotFound, Refused
from engine.core.life import Life, Process, Timer
from engine.core.spec import Config, ServiceSpec, Settings
from engine.core.wire import Desired, State, Why
from engine.daemon.instance import UNDO_SECONDS, Instance
from engine.daemon.registry import Registry, is_instance

API = ServiceSpec(name="api", command="x", max_instances=2, storage_quota_mb=1)
CONFIG = Config(path="", settings=Settings(data_dir="/d"), services={"api": API})


async def test_instances_are_known_once_they_are_asked_for_within_their_number() -> None:
    registry = Registry(CONFIG)
    first = registry.ensure("api:b")
    assert registry.ensure("api:b") is first
    first.life = Life(name="api:b", state=State.ASLEEP)
    registry.ensure("api:a").life = Life(name="api:a", state=State.HEALTHY)
    assert [each.name for each in registry.sorted()] == ["api:a", "api:b"]
    with pytest.raises(Refused, match="max_instances = 2"):
        registry.ensure("api:c")
    first.life = Life(name="api:b", state=State.STOPPED)
    assert registry.ensure("api:c").name == "api:c"
    assert registry.count("api") == 3
    with pytest.raises(NotFound, match="Unknown process: web"):
        registry.ensure("web:a")
    with pytest.raises(NotFound):
        registry.get("api:z")


@pytest.mark.parametrize("name", ["api", ":a", "api:", "../x:a", "api:a/b", "api:..", "api:a:b"])
def test_names_that_are_none_are_refused(name: str) -> None:
    assert not is_instance(name)
    with pytest.raises(Refused):
        Registry(CONFIG).ensure(name)


async def test_a_new_configuration_is_true_for_what_is_known() -> None:
    registry = Registry(CONFIG)
    instance = registry.ensure("api:a")
    digest = instance.wanted_digest
    changed = msgspec.structs.replace(API, command="y")
    registry.configure(msgspec.structs.replace(CONFIG, services={"api": changed}))
    assert instance.spec.command == "y"
    assert instance.wanted_digest != digest


async def test_a_life_comes_back_exactly() -> None:
    instance = Instance("api:a", API)
    instance.life = Life(
        name="api:a",
        state=State.BACKOFF,
        process=Process.NONE,
        restarts=4,
        recent=(1.5, 2.5),
        why=Why(summary="exited with 1", exit_code=1),
        timers={Timer.BACKOFF: 99.0},
    )
    instance.generation, instance.weight, instance.version = 7, 30, "v2"
    instance.activity_at = 12.0
    copy = Instance("api:a", API)
    copy.restore(instance.stored())
    assert copy.life == instance.life
    assert (copy.generation, copy.weight, copy.version, copy.activity_at) == (7, 30, "v2", 12.0)
    assert copy.state_since == instance.state_since


async def test_a_life_of_another_version_goes_on_by_its_columns() -> None:
    instance = Instance("api:a", API)
    instance.life = Life(name="api:a", desired=Desired.STOPPED, restarts=4)
    stored = msgspec.structs.replace(instance.stored(), life=b'{"life": 5}')
    copy = Instance("api:a", API)
    copy.restore(stored)
    assert (copy.life.desired, copy.life.restarts) == (Desired.STOPPED, 4)


async def test_undo_is_the_held_stop_or_the_weight_before() -> None:
    instance = Instance("api:a", API)
    now = time.monotonic()
    assert instance.undo(now) == ("", 0.0)
    instance.weight_before = (40, now + UNDO_SECONDS)
    assert instance.undo(now) == ("weight 40", now + UNDO_SECONDS)
    assert instance.undo(now + UNDO_SECONDS) == ("", 0.0)
    instance.life = Life(name="api:a", state=State.DRAINING, timers={Timer.HOLD: now + 5})
    assert instance.undo(now) == ("stop", now + 5)
    view = instance.view()
    assert view.undo == "stop"
    assert view.until > 0
    assert view.storage_quota_bytes == 1024 * 1024
