"""Walks of trees that a tenant may have built to lead them astray."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.daemon import storage
from engine.daemon.storage import StorageMeter, Usage, measure
from engine.kernel import trees


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "a" / "b").mkdir(parents=True)
    (path / "one").write_bytes(b"x" * 100)
    (path / "a" / "two").write_bytes(b"x" * 20)
    (path / "a" / "b" / "three").write_bytes(b"x" * 3)
    return path


def test_lengths_add_up(tree: Path) -> None:
    assert measure(tree) == Usage(123, 3)


def test_a_missing_tree_holds_nothing(tmp_path: Path) -> None:
    assert measure(tmp_path / "none") == Usage()


def test_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 10_000)
    (tree / "folder").symlink_to(outside)
    (tree / "file").symlink_to(outside / "big")
    (tree / "circle").symlink_to(".")
    # A long target takes a block of its own.
    taken = sum((tree / name).lstat().st_blocks for name in ("folder", "file", "circle")) * 512
    assert measure(tree) == Usage(123 + taken, 3)


def test_what_is_taken_beyond_a_length_counts(tree: Path) -> None:
    with (tree / "kept").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1_000_000)
        os.ftruncate(file.fileno(), 1_000_000)
    sparse = subprocess.run(["fallocate", "-n", "-l", "5M", str(tree / "one")], check=False)
    if sparse.returncode:  # not every file system can
        assert measure(tree) == Usage(1_000_123, 4)
    else:
        assert 5_900_000 < measure(tree).size_bytes < 6_300_000


def test_many_names_in_a_folder_take_what_the_folder_takes(tree: Path) -> None:
    for number in range(2000):
        (tree / "a" / f"{number:0200d}").touch()
    status = (tree / "a").stat()
    beyond = max(status.st_blocks * 512 - status.st_blksize, 0)
    assert measure(tree) == Usage(123 + beyond, 2003)


def test_a_tree_of_any_depth_is_removed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (tree / "link").symlink_to(outside)
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    trees.remove_tree(str(tree))
    assert not tree.exists()
    assert outside.read_text() == "kept"
    trees.remove_tree(str(tree))  # what is not there is removed


def test_what_cannot_be_removed_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot remove '/proc/self/mem"):
        trees.remove_tree("/proc/self/mem")


def test_the_root_itself_is_no_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert measure(tmp_path / "link") == Usage(is_complete=False)


def test_a_file_with_several_names_counts_once(tree: Path) -> None:
    (tree / "a" / "again").hardlink_to(tree / "one")
    (tree / "a" / "b" / "again").hardlink_to(tree / "one")
    assert measure(tree) == Usage(123, 3)


def test_pipes_sockets_and_odd_names(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    (Path(os.fsdecode(os.fsencode(tree) + b"/\xff\n"))).write_bytes(b"1234")
    assert measure(tree) == Usage(127, 4)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """3,000 folders in each other, far beyond the longest path the kernel takes."""
    top = tmp_path / "deep"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("ddddddd", dir_fd=fd)
        below = os.open("ddddddd", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    bottom = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(bottom, b"12345")
    os.close(bottom)
    yield top
    os.unlink("f", dir_fd=fd)
    for _ in range(3000):
        above = os.open("..", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = above
        os.rmdir("ddddddd", dir_fd=fd)
    os.close(fd)


def test_a_tree_deeper_than_any_path(deep: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert measure(deep) == Usage(5, 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_time_is_bounded(tree: Path) -> None:
    for number in range(2000):
        (tree / f"file {number}").touch()
    start = time.monotonic()
    usage = measure(tree, budget_seconds=0.0)
    assert not usage.is_complete
    assert time.monotonic() - start < 0.5


def test_a_folder_moved_away_during_the_walk(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back up by ".." would lead out of the tree."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").mkdir()
    (tmp_path / "elsewhere" / "secret" / "big").write_bytes(b"x" * 10_000)
    listing = trees.Walk._list

    def move_then_list(walk: trees.Walk) -> list[str]:
        found = listing(walk)
        if (tree / "a" / "b").exists() and Path(f"/proc/self/fd/{walk.fd}").readlink().name == "b":
            (tree / "a" / "b").rename(tmp_path / "elsewhere" / "b")
        return found

    monkeypatch.setattr(trees.Walk, "_list", move_then_list)
    usage = measure(tree)
    assert not usage.is_complete
    assert usage.size_bytes <= 123


def test_a_folder_that_may_not_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(name: str, flags: int, *, dir_fd: int | None = None) -> int:
        if name == "a":
            raise PermissionError(13, "Permission denied", name)
        return real(name, flags, dir_fd=dir_fd)

    monkeypatch.setattr(storage.os, "open", refuse)
    assert measure(tree) == Usage(100, 1, is_complete=False)


class Told(dict[str, int]):
    def __call__(self, name: str, used: int) -> None:
        self[name] = used


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)


async def test_a_new_instance_is_measured_at_once(tree: Path, tmp_path: Path) -> None:
    told = Told()
    meter = StorageMeter(told, lambda _name, _seconds: 30.0)
    meter.watch("a:b", tree)
    meter.start()
    await until(lambda: told == {"a:b": 123})
    meter.watch("a:none", tmp_path / "none")
    await until(lambda: told == {"a:b": 123, "a:none": 0})
    assert (meter.used("a:b"), meter.used("a:none"), meter.used("x:y")) == (123, 0, 0)
    meter.unwatch("a:b")
    assert meter.used("a:b") == 0
    await meter.stop()
    await meter.stop()


async def test_each_is_measured_again_after_the_rest_it_is_given(
    tree: Path, tmp_path: Path
) -> None:
    told, walks = Told(), []

    def rest(name: str, seconds: float) -> float:
        walks.append((name, seconds))
        return 0.02 if name == "a:b" else 60.0

    meter = StorageMeter(told, rest)
    meter.watch("a:b", tree)
    meter.watch("a:slow", tmp_path / "none")
    meter.start()
    await until(lambda: told == {"a:b": 123, "a:slow": 0})
    (tree / "more").write_bytes(b"x" * 77)
    await until(lambda: told["a:b"] == 200)
    (tree / "more").unlink()
    await until(lambda: told["a:b"] == 123)
    assert [name for name, _ in walks].count("a:slow") == 1
    assert all(seconds > 0 for _, seconds in walks)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "some").write_bytes(b"x")
    meter.hurry("a:slow")
    meter.hurry("a:unknown")
    await until(lambda: told["a:slow"] == 1)
    await meter.stop()


async def test_a_walk_cut_short_does_not_make_it_smaller(tree: Path) -> None:
    meter = StorageMeter(Told(), lambda _name, _seconds: 30.0)
    meter._take("a:b", Usage(500, 5))
    meter._take("a:b", Usage(100, 1, is_complete=False))
    assert meter.used("a:b") == 500
    meter._take("a:b", Usage(900, 9, is_complete=False))
    assert meter.used("a:b") == 900
    meter._take("a:b", Usage(20, 2))
    assert meter.used("a:b") == 20


async def test_a_failing_receiver_is_told_the_next_time(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str, used: int) -> None:
        raise RuntimeError(name)

    meter = StorageMeter(fail, lambda _name, _seconds: 30.0)
    meter._take("a:b", Usage(1, 1))
    assert meter.used("a:b") == 1
    assert "taking the storage of a:b failed" in caplog.text
