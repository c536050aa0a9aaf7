"""Which uid an instance gets, keeps and loses."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.errors import FeatureMissing
from engine.core.spec import Config, ServiceSpec, Settings
from engine.daemon.accounts import Accounts
from engine.daemon.registry import Registry
from engine.daemon.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "ten.db") as made:
        yield made


def accounts(store: Store, first: int = 70000, last: int = 70002) -> Accounts:
    settings = Settings(data_dir=str(store.path.parent), user_range=(first, last))
    service = ServiceSpec(name="api", command="x")
    registry = Registry(Config(path="", settings=settings, services={"api": service}))
    return Accounts(store, registry, store.path.parent)


def test_each_has_its_own_and_keeps_it(store: Store) -> None:
    given = [accounts(store).uid_of(f"api:{name}") for name in "abc"]
    assert given == [70000, 70001, 70002]
    assert [accounts(store).uid_of(f"api:{name}") for name in "cba"] == given[::-1]


def test_one_of_a_forgotten_instance_is_given_again_last_and_only_without_its_folder(
    store: Store,
) -> None:
    held = accounts(store)
    for name in "abc":
        held.uid_of(f"api:{name}")
        (store.path.parent / "api" / name).mkdir(parents=True)
    with pytest.raises(FeatureMissing, match="70000 to 70002"):
        held.uid_of("api:d")
    (store.path.parent / "api" / "b").rmdir()
    held._registry.ensure("api:b")
    with pytest.raises(FeatureMissing):
        held.uid_of("api:d")
    del held._registry.instances["api:b"]
    assert held.uid_of("api:d") == 70001
    assert store.uids() == {"api:a": 70000, "api:d": 70001, "api:c": 70002}


def test_a_new_range_gives_new_ones(store: Store) -> None:
    assert accounts(store).uid_of("api:a") == 70000
    assert accounts(store, 80000, 80001).uid_of("api:a") == 80000
    assert store.uids() == {"api:a": 80000}


def test_what_the_database_lost_is_known_by_the_folder(store: Store) -> None:
    folder = store.path.parent / "api" / "a"
    folder.mkdir(parents=True)
    me = os.geteuid()
    first = me or 1
    if me == 0:
        os.chown(folder, 5, 5)
        me, first = 5, 2
    assert accounts(store, first, me + 5).uid_of("api:a") == me
