"""Giving folders away, with links planted in them. Needs root: it is about other users."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from engine.kernel.ownership import give_folder
from tests.require import require_root

pytestmark = pytest.mark.kernel

OLD, NEW = 54321, 54322


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    require_root()
    made = tmp_path / "own"
    (made / "a" / "b").mkdir(parents=True)
    (made / "a" / "b" / "file").write_text("x")
    for path in (made, *made.rglob("*")):
        os.chown(path, OLD, OLD)
    return made


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def test_all_of_the_old_owner_goes_to_the_new_one(folder: Path) -> None:
    assert give_folder(str(folder), NEW, NEW) == 0
    assert owners(folder) == {NEW}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "a" / "b" / "file").lstat().st_gid == NEW


def test_a_link_is_given_itself_and_not_what_it_names(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    os.chown(outside / "file", OLD, OLD)
    (folder / "to-folder").symlink_to(outside)
    (folder / "to-file").symlink_to(outside / "file")
    for link in ("to-folder", "to-file"):
        os.chown(folder / link, OLD, OLD, follow_symlinks=False)
    give_folder(str(folder), NEW, NEW)
    assert (folder / "to-file").lstat().st_uid == NEW
    assert (outside / "file").stat().st_uid == OLD
    assert outside.stat().st_uid == 0


def test_another_name_of_a_file_outside_gives_nothing_away(folder: Path, tmp_path: Path) -> None:
    """As uid 0 a tenant may have linked whatever root owns; the walk begins at root's folder."""
    os.chown(folder, 0, 0)
    secret = tmp_path / "secret"
    secret.write_text("root's")
    os.link(secret, folder / "mine")
    assert give_folder(str(folder), NEW, NEW) == 1
    assert secret.stat().st_uid == 0
    assert folder.stat().st_uid == NEW


def test_what_others_own_stays_theirs(folder: Path) -> None:
    other = folder / "other"
    other.touch()
    os.chown(other, 777, 777)
    give_folder(str(folder), NEW, NEW)
    assert other.stat().st_uid == 777


def test_a_link_in_the_folders_place_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(NotADirectoryError):
        give_folder(str(tmp_path / "link"), NEW, NEW)
    assert owners(folder) == {OLD}


def test_names_swapped_all_the_while_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    """One name is in turn a folder, a link to one outside, and another name of a file outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret"
    secret.touch()
    is_over = threading.Event()

    def swap() -> None:
        turn = 0
        while not is_over.is_set():
            turn += 1
            made = tmp_path / f"made{turn}"
            if turn % 3 == 0:
                made.mkdir()
                (made / "file").touch()
            elif turn % 3 == 1:
                made.symlink_to(outside)
            else:
                os.link(secret, made)
            place = folder / "swapped"
            if os.path.lexists(place):
                place.rename(tmp_path / f"gone{turn}")
            made.rename(place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for uid in range(300):
            os.chown(folder, 0, 0)
            give_folder(str(folder), NEW + uid, NEW)
    finally:
        is_over.set()
        swapping.join()
    assert secret.stat().st_uid == 0
    assert outside.stat().st_uid == 0


def test_a_tree_deeper_than_there_are_descriptors(folder: Path) -> None:
    at = os.open(folder, os.O_PATH)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=at)
        os.chown("deep", OLD, OLD, dir_fd=at)
        below = os.open("deep", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    before = len(os.listdir("/proc/self/fd"))
    give_folder(str(folder), NEW, NEW)
    assert os.fstat(at).st_uid == NEW
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(at)
    subprocess.run(["rm", "-rf", folder / "deep"], check=True)  # pytest's own removal recurses
