"""A change of the config file is seen, however it is made."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.daemon import config_watch
from engine.daemon.config_watch import ConfigWatch, fingerprint, watched_folders


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "tenement.toml"
    path.parent.mkdir()
    path.write_text("a = 1\n")
    return path


class Seen:
    """What the file held at each notice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.texts: list[str | None] = []

    def __call__(self) -> None:
        try:
            self.texts.append(self._path.read_text())
        except OSError:
            self.texts.append(None)

    async def until(self, text: str | None, seconds: float = 6.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.texts or self.texts[-1] != text:
            assert time.monotonic() < deadline, f"{text!r} was never told: {self.texts}"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Seen]:
    seen = Seen(path)
    watch = ConfigWatch(path, seen)
    watch.start()
    watch.start()
    await asyncio.sleep(0.2)
    try:
        yield seen
    finally:
        await watch.stop()
        await watch.stop()


def write_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def rename_over(path: Path, text: str) -> None:
    new = path.with_name("4913~")
    new.write_text(text)
    new.rename(path)


def move_away_and_write(path: Path, text: str) -> None:
    path.rename(path.with_suffix(".bak"))
    path.write_text(text)


@pytest.mark.parametrize("change", [write_in_place, rename_over, move_away_and_write])
async def test_a_change_is_told_soon(change: Callable[[Path, str], None], file: Path) -> None:
    async with watching(file) as seen:
        for number in range(3):
            start = time.monotonic()
            change(file, f"b = {number}\n")
            await seen.until(f"b = {number}\n")
            assert time.monotonic() - start < 1.5


async def test_the_end_and_the_return(file: Path) -> None:
    async with watching(file) as seen:
        file.unlink()
        await seen.until(None)
        file.write_text("c = 3\n")
        await seen.until("c = 3\n")


async def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    async with watching(tmp_path / "tenement.toml") as seen:
        (tmp_path / "tenement.toml").write_text("d = 4\n")
        await seen.until("d = 4\n")


async def test_a_link_to_a_file_elsewhere(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "here" / "tenement.toml"
    link.parent.mkdir()
    link.symlink_to("../etc/tenement.toml")
    async with watching(link) as seen:
        file.write_text("e = 5\n")
        await seen.until("e = 5\n")
        (tmp_path / "other.toml").write_text("f = 6\n")
        link.unlink()
        link.symlink_to("../other.toml")
        await seen.until("f = 6\n")
        (tmp_path / "other.toml").write_text("g = 7\n")
        await seen.until("g = 7\n")


async def test_a_linked_folder_exchanged_as_a_whole(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tenement.toml").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "tenement.toml").symlink_to("data/tenement.toml")
    async with watching(tmp_path / "tenement.toml") as seen:
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(tmp_path / "data")
        await seen.until("two")
        (tmp_path / "two" / "tenement.toml").write_text("two and a half")
        await seen.until("two and a half")


async def test_the_whole_folder_made_anew(file: Path) -> None:
    async with watching(file) as seen:
        shutil.rmtree(file.parent)
        file.parent.mkdir()
        file.write_text("h = 8\n")
        await seen.until("h = 8\n")
        file.write_text("i = 9\n")
        await seen.until("i = 9\n")


async def test_a_change_that_changes_nothing_is_not_told(file: Path) -> None:
    async with watching(file) as seen:
        file.touch()
        rename_over(file, "a = 1\n")
        (file.parent / "other").write_text("x")
        await asyncio.sleep(0.4)
        assert seen.texts == []


async def test_many_writes_are_told_a_few_times(file: Path) -> None:
    async with watching(file) as seen:
        for number in range(40):
            file.write_text(f"n = {number}\n")
            await asyncio.sleep(0.01)
        await seen.until("n = 39\n")
        assert len(seen.texts) <= 5


async def test_without_notices_it_is_looked_at(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_inotify(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(config_watch, "awatch", no_inotify)
    monkeypatch.setattr(config_watch, "POLL_SECONDS", 0.05)
    async with watching(file) as seen:
        file.write_text("j = 10\n")
        await seen.until("j = 10\n")
    assert "watch limit reached" in caplog.text


async def test_a_failing_receiver_is_told_the_next_change(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError

    watch = ConfigWatch(file, fail)
    watch.start()
    await asyncio.sleep(0.2)
    for wanted in (1, 2):
        file.write_text(f"k = {wanted}\n")
        deadline = time.monotonic() + 5
        while calls < wanted:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    await watch.stop()
    assert "taking the change of" in caplog.text


def test_fingerprints(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert fingerprint(path)[0] == "unreadable"
    path.mkdir()
    assert fingerprint(path)[0] == "no file"
    path.rmdir()
    os.mkfifo(path)
    assert fingerprint(path)[0] == "no file"
    path.unlink()
    path.symlink_to("f")
    assert fingerprint(path)[0] == "unreadable"
    path.unlink()
    with path.open("wb") as file:
        file.truncate(config_watch._READ_BYTES + 1)
    assert fingerprint(path)[0] == "large"
    path.write_text("x")
    first = fingerprint(path)
    path.write_text("y")
    assert fingerprint(path) != first


def test_folders_of_links_that_go_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert tmp_path in watched_folders(tmp_path / "a")
