"""Rings after an engine was killed or the machine stopped: nothing is lost that was there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.ring import HEADER_BYTES, RECORD_BYTES
from engine.daemon.ring import Ring
from tests.unit.daemon.ring_rig import (
    BOOT,
    ERR,
    MIB,
    NEXT_BOOT,
    OUT,
    files,
    numbered,
    texts,
)


def test_a_killed_engine_leaves_everything(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 5000), OUT)
    ring.append(b"err\nunended", ERR)
    before = ring.window(0, 10**6)
    after = reopen(limit_bytes=MIB)
    assert after.window(0, 10**6).lines == before.lines
    after.append(b" line\n", ERR)
    assert texts(after)[-1] == "unended line"
    assert reopen().end == 5002


def test_numbers_go_on_after_evictions_and_restarts(reopen: Callable[..., Ring]) -> None:
    for start in range(0, 60_000, 6000):
        ring = reopen(limit_bytes=MIB)
        assert ring.end == start
        ring.append(numbered(start, start + 6000), OUT)
    oldest = ring.oldest
    lines = reopen().window(0, 10**6).lines
    assert [line.number for line in lines] == list(range(oldest, 60_000))
    assert all(line.text.startswith(f"line {line.number:06}") for line in lines)


def test_a_record_without_its_bytes_is_overruled(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"one\n", OUT)
    ring._note(ring._segments[-1], ring._files(), ERR, 10**19)
    after = reopen()
    after.append(b"two\n", OUT)
    assert [(line.stream, line.text) for line in after.window(0, 9).lines] == [
        ("stdout", "one"),
        ("stdout", "two"),
    ]


def test_a_kill_between_the_steps_of_a_new_segment_loses_nothing(
    reopen: Callable[..., Ring],
) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 2000), OUT)
    last = files(ring, "idx")[-1]
    made = Path(ring.folder) / f"{10**9:020d}.idx"
    made.write_bytes(last.read_bytes()[:HEADER_BYTES])
    (Path(ring.folder) / "not a segment").write_text("left alone")
    after = reopen()
    assert after.end == 2000
    assert not made.exists()


# --- the machine stops ---


def write_some(ring: Ring) -> None:
    ring.append(numbered(0, 3000), OUT)
    ring.append(b"error\n", ERR)
    ring.append(b"last words\n", OUT)


@pytest.mark.parametrize("boot", [BOOT, NEXT_BOOT])
def test_a_ring_left_in_order_loses_nothing(reopen: Callable[..., Ring], boot: bytes) -> None:
    ring = reopen(limit_bytes=MIB)
    write_some(ring)
    ring.close_files()
    after = reopen(boot=boot)
    assert after.end == 3002
    after.append(b"next\n", OUT)
    assert texts(after)[-3:] == ["error", "last words", "next"]
    assert texts(reopen(boot=boot))[-1] == "next"


def test_bytes_no_mark_vouches_for_go_when_the_machine_stops(
    reopen: Callable[..., Ring],
) -> None:
    ring = reopen()
    ring.append(b"known\n", OUT)
    ring.mark()
    ring.append(b"whose?\n", OUT)
    assert texts(reopen(boot=NEXT_BOOT)) == ["known"]


def test_what_a_killed_engine_wrote_outlives_the_machine_once_the_next_one_saw_it(
    reopen: Callable[..., Ring],
) -> None:
    reopen().append(b"one\ntwo\n", OUT)
    reopen()
    assert texts(reopen(boot=NEXT_BOOT)) == ["one", "two"]


def test_an_unended_line_does_not_go_on_after_the_machine_stopped(
    reopen: Callable[..., Ring],
) -> None:
    ring = reopen()
    ring.append(b"known\nhalf a l", OUT)
    ring.close_files()
    after = reopen(boot=NEXT_BOOT)
    after.append(b"new boot\n", OUT)
    assert texts(after) == ["known", "new boot"]


@pytest.mark.parametrize(
    ("boot", "lost"),
    [
        (boot, lost)
        for boot in (BOOT, NEXT_BOOT)
        for lost in range(1, 2 * RECORD_BYTES + 2)
        # Without a new boot, whole records missing are what a kill leaves.
        if boot == NEXT_BOOT or lost % RECORD_BYTES
    ],
)
def test_a_torn_index_tail_is_dropped(reopen: Callable[..., Ring], boot: bytes, lost: int) -> None:
    ring = reopen()
    ring.append(b"one\n", OUT)
    ring.append(b"two\n", ERR)
    ring.append(b"three\n", OUT)
    (index,) = files(ring, "idx")
    os.truncate(index, index.stat().st_size - lost)
    after = reopen(boot=boot)
    # Where the last record left ends is not known, so its bytes go too.
    kept = ["one"] if lost <= RECORD_BYTES else []
    assert texts(after) == kept
    after.append(b"next\n", ERR)
    assert texts(after) == [*kept, "next"]
    assert texts(reopen(boot=boot)) == [*kept, "next"]


@pytest.mark.parametrize("kept", [0, 1, 4, 5, 8, 11, 13])
def test_a_torn_data_tail_is_never_served(reopen: Callable[..., Ring], kept: int) -> None:
    ring = reopen()
    for text, stream in ((b"one\n", OUT), (b"two\n", ERR), (b"three\n", OUT)):
        ring.append(text, stream)
    ring.mark()
    (data,) = files(ring, "seg")
    os.truncate(data, kept)
    after = reopen(boot=NEXT_BOOT)
    whole = [text for text, end in (("one", 4), ("two", 8)) if end <= kept]
    assert [line.text for line in after.window(0, 9, has_tail=False).lines] == whole
    after.append(b"next\n", OUT)
    assert texts(after) == [*whole, "next"]


def test_a_hole_between_segments_joins_no_lines(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 5000), OUT)
    ring.close_files()
    second = files(ring, "seg")[1]
    os.truncate(second, 50_000)
    shown = texts(reopen(boot=NEXT_BOOT))
    assert len(shown) < 5000
    numbers = [int(text.split()[1]) for text in shown if not text.startswith("…")]
    assert numbers == sorted(numbers)
    assert all(text.endswith("x" * 80) for text in shown)
    assert sum(text.startswith("…") for text in shown) == 1
    after = reopen(boot=NEXT_BOOT)
    assert texts(after) == shown
    assert [line.number for line in after.window(0, 10**5).lines] == list(range(len(shown)))


@pytest.mark.parametrize("damage", [b"", b"\0" * HEADER_BYTES, b"garbage" * 20])
def test_a_segment_without_a_header_is_dropped(reopen: Callable[..., Ring], damage: bytes) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 5000), OUT)
    ring.close_files()
    indexes = files(ring, "idx")
    indexes[1].write_bytes(damage)
    indexes[0].unlink()
    after = reopen(boot=NEXT_BOOT)
    shown = texts(after)
    assert shown[-1].startswith("line 004999")
    assert len(files(after, "seg")) == len(indexes) - 2


def test_numbers_begin_anew_where_none_are_known(reopen: Callable[..., Ring]) -> None:
    ring = reopen(limit_bytes=MIB)
    ring.append(numbered(0, 5000), OUT)
    for segment in ring._segments:
        segment.before = None
        segment.save_header(BOOT)
    ring.close_files()
    files(ring, "seg")[0].unlink()
    window = reopen().window(0, 10**6)
    assert window.oldest in (0, 1)
    assert window.lines[-1].text.startswith("line 004999")
    assert [line.number for line in window.lines] == list(range(window.oldest, window.end))


def test_zeros_at_the_end_of_an_index_are_dropped(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"one\ntwo\n", OUT)
    ring.mark()
    (index,) = files(ring, "idx")
    with index.open("ab") as file:
        file.write(bytes(5 * RECORD_BYTES))
    assert texts(reopen(boot=NEXT_BOOT)) == ["one", "two"]


def test_nothing_may_be_left(reopen: Callable[..., Ring]) -> None:
    ring = reopen()
    ring.append(b"one\n", OUT)
    (index,) = files(ring, "idx")
    os.truncate(index, HEADER_BYTES)
    after = reopen(boot=NEXT_BOOT)
    assert (texts(after), after.end) == ([], 0)
    after.append(b"next\n", OUT)
    assert texts(after) == ["next"]


# --- clocks ---
