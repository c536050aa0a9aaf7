"""engine.daemon.version_store and engine.daemon.versions, on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from engine.core.rollout import Member, Rollout
from engine.core.rollout_plan import Plan, Strategy
from engine.core.spec import Config, ServiceSpec, Settings
from engine.daemon.registry import Registry
from engine.daemon.store import Store
from engine.daemon.version_store import MAX_VERSIONS, Record, VersionStore
from engine.daemon.versions import Versions

SPEC = ServiceSpec(name="api", command="one", env={"WORD": "one"}, idle_timeout_seconds=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "ten.db") as found:
        yield found


def registry(spec: ServiceSpec) -> Registry:
    return Registry(Config(path="", settings=Settings(data_dir="/d"), services={"api": spec}))


def test_a_rollout_is_read_as_it_was_written(store: Store) -> None:
    rollout = Rollout(
        service="api",
        plan=Plan(strategy=Strategy.CANARY),
        news=(Member("v2", 100),),
        olds=(Member("v1", 100),),
        startup_seconds=1,
        begun_at=2,
        since=3,
    )
    kept = VersionStore(store)
    kept.save_rollout(rollout)
    assert VersionStore(store).rollouts(["api", "web"]) == {"api": rollout}
    store.put("rollout api", '{"service": 7}')
    assert kept.rollouts(["api"]) == {}


def test_records_are_bounded_and_spare_what_is_in_use(store: Store) -> None:
    kept = VersionStore(store)
    for number in range(MAX_VERSIONS + 5):
        found = kept.record("api", {f"v{number}": Record(number, SPEC)}, ["v0"])
    assert len(found) == MAX_VERSIONS
    assert {"v0", "v6", f"v{MAX_VERSIONS + 4}"} <= set(found)
    assert "v1" not in found
    store.put("versions api", "{")
    assert kept.records("api") == {}


def test_a_version_keeps_its_command_and_takes_the_rest_live(store: Store) -> None:
    first = registry(SPEC)
    Versions(first, VersionStore(store)).record("api", ["v1"])
    changed = structs.replace(SPEC, command="two", env={}, idle_timeout_seconds=9)
    later = registry(changed)
    Versions(later, VersionStore(store)).load()
    spec = later.ensure("api:v1").spec
    assert (spec.command, spec.env, spec.idle_timeout_seconds) == ("one", {"WORD": "one"}, 9)
    assert later.ensure("api:v2").spec == changed
    Versions(later, VersionStore(store)).record_current("api", "v1")  # it does not run
    assert later.instances["api:v1"].spec.command == "two"
