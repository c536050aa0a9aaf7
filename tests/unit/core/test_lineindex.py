"""Counting newlines by block, and where lines are in pieces."""

import pytest

from engine.core import lineindex
from engine.core.lineindex import BLOCK_BYTES, LineIndex, nth_newline
from engine.core.ring import Run, Tally
from tests.rings import ERR, OUT, Write, make_segment


def index_of(*writes: Write, before: Tally = Tally()) -> LineIndex:  # noqa: B008 - immutable
    return make_segment(writes, before).index


def test_newlines_are_counted_by_stream() -> None:
    index = index_of(Write(b"a\nb\n"), Write(b"e\n", ERR), Write(b"c"))
    assert (index.counted, index.lines, index.errors) == (7, 3, 1)
    assert index.is_open == (True, False, False)
    assert index.after(Tally(10, 4)) == Tally(13, 5, (True, False, False))
    assert list(index.seams or []) == []


def test_a_line_with_the_other_stream_in_between_is_a_seam() -> None:
    index = index_of(Write(b"one "), Write(b"err\n", ERR), Write(b"line\nnext\n"))
    assert list(index.seams or []) == [12]


def test_a_line_in_adjacent_records_is_none() -> None:
    index = index_of(Write(b"one ", time_ns=1), Write(b"li", time_ns=2), Write(b"ne\n", time_ns=3))
    assert list(index.seams or []) == []


def test_a_ragged_line_stays_one_over_adjacent_records() -> None:
    index = index_of(
        Write(b"a"), Write(b"x", ERR), Write(b"b"), Write(b"c\n"), Write(b"y\nz\n", ERR)
    )
    assert list(index.seams or []) == [4, 6]


def test_a_line_from_the_segment_before_is_a_seam() -> None:
    index = index_of(Write(b"end\nnew\n"), before=Tally(3, 0, (True, False, False)))
    assert list(index.seams or []) == [3]


def test_too_many_seams_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineindex, "MAX_SEAMS", 3)
    writes = [Write(b"a", OUT), Write(b"b\n", ERR), Write(b"c\nd", OUT), Write(b"e", ERR)] * 3
    index = index_of(*writes)
    assert index.seams is None
    assert index.copy().seams is None
    assert index.cost_bytes < 1100


def test_a_line_is_found_in_its_block() -> None:
    line = b"x" * 99 + b"\n"
    data = line * 4000
    index = index_of(Write(data))
    for number in (0, 1, 1310, 1311, 2621, 3999):
        start, before = index.block_of(number)
        position = number * 100 + 99
        assert start <= position < start + BLOCK_BYTES
        assert start + nth_newline(data[start : start + BLOCK_BYTES], number - before) == position
    start, before = index.lines_before_block(len(data) - 1)
    assert (start, before) == (3 * BLOCK_BYTES, 3 * BLOCK_BYTES // 100)


def test_silent_blocks_are_known_by_stream() -> None:
    noise = b"no newline here." * (BLOCK_BYTES // 16)
    index = index_of(Write(noise), Write(b"e\n" * (BLOCK_BYTES // 2), ERR), Write(b"rest"))
    assert index.is_silent(0, OUT)
    assert index.is_silent(0, ERR)
    assert index.is_silent(1, OUT)
    assert not index.is_silent(1, ERR)
    assert not index.is_silent(2, OUT)
    assert [index.bytes_in(0, stream) for stream in (OUT, ERR)] == [BLOCK_BYTES, 0]
    assert [index.bytes_in(1, stream) for stream in (OUT, ERR)] == [0, BLOCK_BYTES]


def test_a_copy_stays_while_the_original_grows() -> None:
    index = LineIndex()
    index.add(b"one\ntwo", [Run(0, 7, OUT)])
    copy = index.copy()
    index.add(b"\n", [Run(7, 8, OUT)])
    assert (copy.lines, copy.counted, copy.is_open) == (1, 7, (True, False, False))
    assert (index.lines, index.counted, index.is_open) == (2, 8, (False, False, False))
    copy.add(b"\n", [Run(7, 8, OUT)])
    assert copy.after(Tally()) == index.after(Tally())


def test_counting_does_not_depend_on_the_pieces() -> None:
    data = bytes(range(256)) * 1100
    whole = index_of(Write(data))
    pieces = LineIndex()
    while pieces.counted < len(data):
        stop = min(pieces.counted + 1009, pieces.counted + pieces.room(), len(data))
        pieces.add(data[pieces.counted : stop], [Run(pieces.counted, stop, OUT)])
    assert pieces.lines == whole.lines == 1100
    assert [pieces.block_of(n) for n in range(1100)] == [whole.block_of(n) for n in range(1100)]


@pytest.mark.parametrize("gap", [1, 7, 300, 5000])
def test_the_nth_newline_is_found_by_halving(gap: int) -> None:
    data = (b"." * (gap - 1) + b"\n") * 50 + b"tail"
    assert [nth_newline(data, n) for n in range(50)] == [gap * n + gap - 1 for n in range(50)]
    assert nth_newline(data, 50) == -1
    assert nth_newline(data, -1) == -1
    assert nth_newline(b"", 0) == -1
