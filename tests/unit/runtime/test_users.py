"""Whom an instance runs as, and what is in its way."""

import os
from pathlib import Path

import pytest

from engine.core.errors import FeatureMissing
from engine.core.spec import ServiceSpec
from engine.runtime import users
from engine.runtime.steps import Hide
from engine.runtime.users import Account, account_of, find_closed


def find(user: str) -> Account | None:
    spec = ServiceSpec(name="api", command="x", user=user)
    return account_of(spec, "alice", home="/data/api/alice", uid_of=lambda _: 70000)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users.userns, "has_capability", lambda _: True)


@pytest.mark.usefixtures("as_root")
def test_accounts() -> None:
    assert find("") is None
    assert find("engine") is None
    assert find("auto") == Account(70000, 70000, (), "api-alice", "/data/api/alice")
    assert find("12345678") == Account(12345678, 12345678, (), "12345678", "/data/api/alice")
    daemon = find("daemon")
    assert daemon is not None
    assert (daemon.uid, daemon.name, daemon.home) == (1, "daemon", "/usr/sbin")
    assert daemon.gid in daemon.groups
    assert find("1") == daemon
    with pytest.raises(FeatureMissing, match="no such user") as caught:
        find("nobody-of-that-name")
    assert caught.value.hint == "useradd --system nobody-of-that-name"


def test_only_root_may_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users.userns, "has_capability", lambda _: False)
    assert find("engine") is None
    with pytest.raises(FeatureMissing, match="needs an engine that runs as root"):
        find("auto")


def test_ranges_that_are_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "daemon's" in users.why_not_range(1, 1)
    monkeypatch.setattr(users, "_subordinate_ids", lambda: [("ann", 3_000_000, 10)])
    assert "ann's in /etc/subuid" in users.why_not_range(2_999_990, 3_000_000)
    assert "ann's in /etc/subuid" in users.why_not_range(3_000_009, 3_000_020)
    assert "subuid" not in users.why_not_range(3_000_010, 3_000_020)
    monkeypatch.setattr(users.userns, "mapped_uids", lambda: [(0, 1000), (1000, 3_000_000)])
    assert "not mapped" in users.why_not_range(3_000_990, 3_001_010)
    assert users.why_not_range(3_000_990, 3_000_999) == ""


def test_the_first_closed_folder_is_named(tmp_path: Path) -> None:
    tenant = Account(70000, 70000, (), "t", "/")
    opened = Hide("/", (str(tmp_path / "x"),))  # pytest's own folders are closed to others
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    for folder in (tmp_path / "a", tmp_path / "a" / "b", below):
        folder.chmod(0o755)
    steps = [opened]
    assert find_closed(str(below), tenant, steps) == ""
    (tmp_path / "a" / "b").chmod(0o750)
    assert find_closed(str(below), tenant, steps) == str(tmp_path / "a" / "b")
    group = os.stat(below).st_gid
    assert find_closed(str(below), Account(70000, group, (), "t", "/"), steps) == ""
    kept = Hide(str(tmp_path / "a"), (str(below),))
    assert find_closed(str(below), tenant, [*steps, kept]) == ""
    below.chmod(0o700)
    assert find_closed(str(below), tenant, [*steps, kept]) == str(below)
    assert find_closed(str(below / "not-there"), tenant, steps) == str(tmp_path / "a" / "b")
