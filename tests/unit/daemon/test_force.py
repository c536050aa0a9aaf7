from pathlib import Path

import pytest

from engine.core.errors import SpecError
from engine.daemon.force import Force
from engine.daemon.store import Store, StoreError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "tenement.toml"
    found.write_text('[service.api]\ncommand = "true"\n')
    return found


def test_the_last_good_file_is_in_force_while_the_one_on_disk_is_refused(path: Path) -> None:
    with Store(path.parent / "ten.db") as store:
        Force(store, str(path), path.parent)
        path.write_text("[service")
        force = Force(store, str(path), path.parent)
        assert list(force.config.services) == ["api"]
        assert force.error is not None


def test_without_any_good_file_the_refusal_is_told(path: Path) -> None:
    path.write_text("[service")
    with Store(path.parent / "ten.db") as store, pytest.raises(SpecError):
        Force(store, str(path), path.parent)


def test_a_full_disk_keeps_no_engine_from_starting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("database or disk is full")

    with Store(path.parent / "ten.db") as store:
        monkeypatch.setattr(store, "put", full)
        force = Force(store, str(path), path.parent)
        assert list(force.config.services) == ["api"]
