"""Rings on disk: kept over restarts, evicted in sight, mended after a crash of the machine."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.errors import NotFound, Refused
from engine.core.ring import HEADER_BYTES, RECORD_BYTES
from engine.daemon import ring_writer
from engine.daemon.ring import Ring, RingStore, line_filter
from tests.unit.daemon.ring_rig import (
    ERR,
    MIB,
    NAME,
    OUT,
    Clock,
    files,
    numbered,
    texts,
)


def test_an_empty_ring_has_no_lines_and_no_files(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    window = ring.window()
    assert (window.name, window.lines, window.oldest, window.end) == (NAME, [], 0, 0)
    assert (ring.end, ring.oldest, ring.size_bytes) == (0, 0, 0)
    assert ring.tail_text() == []
    assert list(ring.raw()) == []
    assert not Path(ring.folder).exists()


def test_lines_of_both_streams_come_back_with_their_times(
    reopen: Callable[..., Ring], clock: Clock
) -> None:
    ring = reopen()
    ring.append(b"one\ntwo\n", OUT, 100_000)
    ring.append(b"error\n", ERR, 200_000)
    ring.append(b"three\n", OUT)
    lines = ring.window(0, 10).lines
    assert [(line.number, line.time_ns, line.stream, line.text) for line in lines] == [
        (0, 100_000, "stdout", "one"),
        (1, 100_000, "stdout", "two"),
        (2, 200_000, "stderr", "error"),
        (3, clock.now, "stdout", "three"),
    ]
    assert [line.text for line in ring.window(None, 2).lines] == ["error", "three"]
    assert texts(ring, stream="stderr") == ["error"]
    assert texts(ring, text="o") == ["one", "two", "error"]
    assert texts(ring, since_ns=200_000) == ["error", "three"]
    assert texts(ring, until_ns=150_000) == ["one", "two"]
    assert [line.text for line in ring.window(None, 1, stream="stdout").lines] == ["three"]
    assert ring.window(0, 0).lines == []


def test_an_unended_line_comes_last_and_is_not_counted(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"done\nprompt> ", OUT)
    window = ring.window(0, 10)
    assert window.end == 1
    assert [(line.number, line.text) for line in window.lines] == [(0, "done"), (1, "prompt> ")]
    assert [line.number for line in ring.window(None, 1).lines] == [1]
    assert [line.number for line in ring.window(None, 1, has_tail=False).lines] == [0]
    assert ring.window(0, 1).lines[-1].number == 0
    ring.append(b"yes\n", OUT)
    assert texts(ring) == ["done", "prompt> yes"]


def test_a_gone_program_ends_its_lines(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"out", OUT)
    ring.append(b"err", ERR)
    ring.end_lines()
    ring.end_lines()
    ring.append(b"next run\n", OUT)
    assert texts(ring) == ["out", "err", "next run"]


def test_the_tail_of_stderr_has_the_unended_line(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"a\nb\nc\n", ERR)
    ring.append(b"out\n", OUT)
    ring.append(b"dying w", ERR)
    assert ring.tail_text("stderr", 3) == ["b", "c", "dying w"]
    assert ring.tail_text("stdout") == ["out"]


def test_bytes_come_back_raw(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    data = bytes(range(256)) * 2000
    ring.append(data, OUT)
    assert b"".join(ring.raw()) == data
    assert len(files(ring, "seg")) > 3
    pieces = ring.raw()
    first = next(pieces)
    ring.forget()
    assert data.startswith(first)
    assert list(pieces) == []


def test_a_hundred_megabytes_without_a_newline_stop_nothing(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=32 * MIB)
    piece = b"\0\xff" * (MIB // 2)
    for _ in range(100):
        ring.append(piece, OUT)
    (line,) = ring.window(0, 10).lines
    assert line.number == 0
    assert line.text.startswith("…\0\ufffd\0")
    assert line.cut_bytes > 27 * MIB
    ring.append(b"\nafter\n", OUT)
    assert texts(ring) == ["after"]
    assert (ring.oldest, ring.end) == (1, 2)


# --- eviction ---


def test_the_oldest_go_and_numbers_go_on(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    for start in range(0, 30_000, 1000):
        ring.append(numbered(start, start + 1000), OUT)
    assert ring.size_bytes <= MIB
    window = ring.window(0, 10**6)
    assert window.end == 30_000
    assert 30_000 - 11_000 < window.oldest < 30_000 - 8_000
    assert [line.number for line in window.lines] == list(range(window.oldest, 30_000))
    assert all(line.text.startswith(f"line {line.number:06} x") for line in window.lines)
    on_disk = sum(path.stat().st_size for path in Path(ring.folder).iterdir())
    assert on_disk == ring.size_bytes == window.size_bytes


def test_a_smaller_limit_applies_at_once_and_a_larger_one_later(
    reopen: Callable[..., Ring],
) -> None:
    ring = reopen(limit_bytes=8 * MIB)
    ring.append(numbered(0, 60_000), OUT)
    assert ring.oldest == 0
    ring.set_limit(2 * MIB)
    assert MIB < ring.size_bytes <= 2 * MIB
    assert texts(ring)[-1].startswith("line 059999")
    oldest = ring.oldest
    ring.set_limit(8 * MIB)
    ring.append(numbered(60_000, 80_000), OUT)
    assert (ring.oldest, ring.end) == (oldest, 80_000)


def test_a_ring_keeps_a_segment_when_told_to_give_up_all(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    assert not ring.evict_oldest()
    ring.append(numbered(0, 2500), OUT)
    while ring.evict_oldest():
        pass
    assert len(files(ring, "seg")) == 1
    assert ring.end == 2500
    assert texts(ring)[-1].startswith("line 002499")


def test_lines_evicted_in_a_flood_are_guessed(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 10), OUT)
    ring.is_flooded = True
    for start in range(10, 60_010, 1000):
        ring.append(numbered(start, start + 500), OUT)
        ring.append(numbered(start + 500, start + 1000), ERR)
    window = ring.window(0, 10**6)
    assert abs(window.end - 60_010) < 600
    assert [line.number for line in window.lines] == list(range(window.oldest, window.end))
    shift = window.lines[0].number - int(window.lines[0].text.split()[1])
    assert all(int(line.text.split()[1]) + shift == line.number for line in window.lines)
    ring.is_flooded = False
    ring.append(b"one more\n", OUT)
    assert ring.end == window.end + 1


# --- the next engine ---


def test_a_clock_set_back_begins_a_new_segment(reopen: Callable[..., Ring], clock: Clock) -> None:
    ring = reopen()
    ring.append(b"late\n", OUT)
    late = clock.now
    clock.now -= 3_600_000_000_000
    ring.append(b"early\n", OUT)
    early = clock.now
    assert len(files(ring, "seg")) == 2
    assert [line.time_ns for line in ring.window(0, 9).lines] == [late, early]
    assert texts(ring, since_ns=late) == ["late"]
    assert texts(ring, until_ns=early) == ["early"]


def test_a_clock_set_back_a_little_stands_still(reopen: Callable[..., Ring], clock: Clock) -> None:
    ring = reopen()
    ring.append(b"a\n", OUT)
    clock.now -= 100_000_000
    ring.append(b"b\n", ERR)
    times = [line.time_ns for line in ring.window(0, 9).lines]
    assert times[0] == times[1]
    assert len(files(ring, "seg")) == 1


# --- somebody else's hands, a full disk ---


def test_files_removed_under_a_reader_are_gone_for_it(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 3000), OUT)
    for path in files(ring, "seg")[:2]:
        path.unlink()
    shown = texts(ring)
    assert shown[-1].startswith("line 002999")
    assert len(shown) < 1500
    ring.append(b"next\n", OUT)
    assert texts(ring)[-1] == "next"


def test_a_removed_folder_is_made_again(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 3000), OUT)
    for path in Path(ring.folder).iterdir():
        path.unlink()
    Path(ring.folder).rmdir()
    assert texts(ring) == []
    ring.append(b"next\n", OUT)
    assert texts(ring) == ["next"]


def test_a_search_goes_on_with_what_is_kept(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 9000), OUT)
    forward = ring.filtered(line_filter(text="line"), 0, 5000)
    backward = ring.filtered(line_filter(text="line"), None, 9000)
    forward.step(0)
    backward.step(0)
    found = len(forward.lines)
    assert 0 < found < 5000
    ring.append(numbered(9000, 17_000), OUT)
    oldest = ring.oldest
    assert oldest > found
    assert forward.step(100)
    assert backward.step(100)
    numbers = [line.number for line in forward.lines]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > oldest
    assert forward.next == numbers[-1] + 1
    numbers = [line.number for line in backward.lines]
    assert numbers == list(range(8999, numbers[-1] - 1, -1))
    assert numbers[-1] <= oldest


def test_a_removed_folder_is_found_by_the_writer(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"gone\n", OUT)
    ring.close_files()
    for path in Path(ring.folder).iterdir():
        path.unlink()
    ring.append(b"next\n", OUT)
    assert texts(ring) == ["next"]


def test_half_an_index_record_is_taken_back(
    reopen: Callable[..., Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = reopen()
    ring.append(b"one\n", OUT)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    with pytest.raises(OSError, match="No space left") as caught:
        ring.append(b"two\n", ERR)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.setattr(os, "write", real)
    ring.append(b"three\n", ERR)
    assert texts(ring) == texts(reopen()) == ["one", "three"]


# --- other threads ---


def test_readers_on_threads_see_whole_lines_while_it_is_written(
    reopen: Callable[..., Ring],
) -> None:
    ring = reopen(limit_bytes=MIB)
    is_over = threading.Event()
    failures: list[BaseException] = []
    windows = [0]

    def read() -> None:
        try:
            while not is_over.is_set():
                window = ring.window(None, 200, has_tail=False)
                numbers = [line.number for line in window.lines]
                assert numbers == list(range(window.end - len(numbers), window.end))
                for line in window.lines:
                    assert line.text == f"line {line.number:06} " + "x" * 80
                    assert line.stream == ("stderr" if line.number // 500 % 2 else "stdout")
                windows[0] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(0, 60_000, 500):
        ring.append(numbered(start, start + 500), ERR if start // 500 % 2 else OUT)
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert windows[0] > 10
    assert ring.end == 60_000


# --- the store ---


def test_names_come_from_disk_and_from_use(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    store = RingStore(root)
    store.ring("web:b").append(b"x\n", OUT)
    store.ring("api:a").append(b"x\n", OUT)
    store.close()
    (root / "not a service").mkdir()
    (root / "api" / "..hidden").mkdir()
    (root / "api" / "file").write_text("")
    (root / "api" / "link").symlink_to(root / "web" / "b")
    store = RingStore(root)
    assert store.names() == ["api:a", "web:b"]
    assert store.has("api:a")
    assert store.find("web:b").end == 1
    assert root.stat().st_mode & 0o777 == 0o700
    store.close()


@pytest.mark.parametrize("name", ["", "api", "api:", ":a", "../x:a", "api:..", "api:a/b", "a:b:c"])
def test_names_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    store = RingStore(tmp_path / "logs")
    with pytest.raises(Refused):
        store.ring(name)
    with pytest.raises(Refused):
        store.remove(name)
    with pytest.raises(NotFound):
        store.find(name)
    assert not store.has(name)


def test_a_removed_ring_is_empty_and_begins_anew(tmp_path: Path) -> None:
    store = RingStore(tmp_path / "logs")
    ring = store.ring("api:a")
    ring.append(b"x\n", OUT)
    store.remove("api:a")
    store.remove("api:never")
    assert store.names() == []
    assert ring.window().lines == []
    assert not (tmp_path / "logs" / "api" / "a").exists()
    store.ring("api:a").append(b"y\n", OUT)
    assert [line.text for line in store.ring("api:a").window().lines] == ["y"]
    store.close()


def test_few_files_are_open_for_many_rings(tmp_path: Path) -> None:
    store = RingStore(tmp_path / "logs", max_open=4)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        for number in range(40):
            store.ring(f"api:i{number}").append(b"line\n", OUT)
    assert len(os.listdir("/proc/self/fd")) - before == 8
    assert {store.ring(f"api:i{number}").end for number in range(40)} == {3}
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_regex_that_runs_away_is_refused(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"a" * 40 + b"!\n", OUT)
    search = ring.filtered(line_filter(text="(a+)+$", is_regex=True), 0, 1)
    with pytest.raises(Refused, match="too long"):
        search.step(10)


def test_a_regex_is_refused_where_nothing_can_stop_it(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"line\n", OUT)
    search = ring.filtered(line_filter(text="l", is_regex=True), 0, 1)
    refused: list[str] = []

    def run() -> None:
        try:
            search.step(1)
        except Refused as error:
            refused.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert refused


def test_records_are_shared_within_a_millisecond(
    reopen: Callable[..., Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_writer, "SAME_RECORD_NS", 10**9)
    ring = reopen()
    for _ in range(10):
        ring.append(b"x\n", OUT)
    (index,) = files(ring, "idx")
    assert index.stat().st_size == HEADER_BYTES + RECORD_BYTES
    assert ring.end == 10
