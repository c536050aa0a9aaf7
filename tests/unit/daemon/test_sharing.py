"""engine.daemon.sharing."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from engine.daemon.sharing import share_socket


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for each in (folder, folder / "run"):
        each.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "run" / "ten.sock"))
    (folder / "run" / "ten.sock").chmod(0o660)
    return folder


@pytest.fixture
def group() -> str:
    """A group that this process may give files to, another than its primary one if it can."""
    others = [gid for gid in os.getgroups() if gid != os.getegid()]
    gid = 1 if os.geteuid() == 0 else (others or [os.getegid()])[0]
    return grp.getgrgid(gid).gr_name


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_members_may_pass_and_connect_and_look_at_nothing(data_dir: Path, group: str) -> None:
    assert share_socket(data_dir, group) == ""
    gid = grp.getgrnam(group).gr_gid
    for path, expected in (
        (data_dir, 0o710),
        (data_dir / "run", 0o710),
        (data_dir / "run" / "ten.sock", 0o660),
    ):
        assert (mode(path), path.stat().st_gid) == (expected, gid)
    assert share_socket(data_dir, group) == ""


def test_a_short_socket_behind_a_link_is_shared_too(
    data_dir: Path, tmp_path: Path, group: str
) -> None:
    short = tmp_path / "short"
    short.mkdir(mode=0o700)
    (data_dir / "run" / "ten.sock").rename(short / "ten.sock")
    (data_dir / "run" / "ten.sock").symlink_to(short / "ten.sock")
    assert share_socket(data_dir, group) == ""
    assert mode(short) == 0o710
    assert (short / "ten.sock").stat().st_gid == grp.getgrnam(group).gr_gid


def test_folders_open_to_all_stay_as_they_are(data_dir: Path, group: str) -> None:
    data_dir.chmod(0o755)
    before = data_dir.stat().st_gid
    assert share_socket(data_dir, group) == ""
    assert (mode(data_dir), data_dir.stat().st_gid) == (0o755, before)


def test_without_a_group_nothing_changes(data_dir: Path) -> None:
    assert share_socket(data_dir, "") == ""
    assert mode(data_dir) == 0o700


def test_what_cannot_be_is_said(data_dir: Path, tmp_path: Path, group: str) -> None:
    assert share_socket(data_dir, "no-such-group") == ""  # the configuration was warned of
    assert "No such file" in share_socket(tmp_path / "none", group)
