"""Headers and records on disk, and what is evicted."""

import pytest

from engine.core.ring import (
    HEADER_BYTES,
    MAX_SEGMENT_BYTES,
    RECORD_BYTES,
    Header,
    Join,
    Records,
    Run,
    Stream,
    Tally,
    count_evictions,
    pack_header,
    pack_record,
    segment_bytes,
    unpack_header,
)

BOOT = bytes(range(16))
MIB = 1024 * 1024


@pytest.mark.parametrize(
    "header",
    [
        Header(0, Tally(), Join.FRESH, BOOT),
        Header(1 << 40, None, Join.GOES_ON, BOOT),
        Header(7, Tally(5, 3, (True, False, False)), Join.GAP, BOOT),
        Header(7, Tally(5, 3, (False, True, False)), Join.GOES_ON, bytes(16)),
        Header(7, Tally(5, 3, (False, False, True)), Join.GAP, bytes(16)),
        Header(7, Tally(5, 3, (False, True, False)), Join.GAP, bytes(16), is_old=True),
    ],
)
def test_a_header_comes_back_as_it_went(header: Header) -> None:
    data = pack_header(header)
    assert len(data) == HEADER_BYTES
    assert unpack_header(data + b"records follow") == header


def test_a_damaged_header_is_none() -> None:
    data = pack_header(Header(3, Tally(1, 1, (True, True, True)), Join.GOES_ON, BOOT))
    assert unpack_header(data[:-1]) is None
    assert unpack_header(bytes(HEADER_BYTES)) is None
    for place in range(HEADER_BYTES - 8):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        assert unpack_header(bytes(damaged)) is None, place


def records(*entries: tuple[int, Stream, int]) -> Records:
    return Records(b"".join(pack_record(*entry) for entry in entries))


OUT, ERR, ACCESS = Stream


def test_a_run_reaches_to_the_next_record_or_the_size() -> None:
    found = records((0, OUT, 5), (10, ERR, 6), (10, OUT, 7), (25, ERR, 9))
    assert len(found) == 4
    assert [found.find(offset) for offset in (0, 9, 10, 24, 25, 99)] == [0, 0, 2, 2, 3, 3]
    assert [found.start(n) for n in range(4)] == [0, 10, 10, 25]
    assert [found.stream(n) for n in range(4)] == [OUT, ERR, OUT, ERR]
    assert [found.time_ns(n) for n in (0, -1)] == [5, 9]
    assert found.stop(0, 30) == 10
    assert found.stop(3, 30) == 30
    assert found.stop(2, 20) == 20
    assert list(found.runs(0, 30)) == [Run(0, 10, 0), Run(10, 25, 0), Run(25, 30, 1)]
    assert list(found.runs(5, 11)) == [Run(5, 10, 0), Run(10, 11, 0)]
    assert list(found.runs(30, 30)) == []


def test_records_are_found_by_time() -> None:
    found = records((0, OUT, 5), (10, ERR, 5), (20, OUT, 8))
    assert [found.since(time_ns) for time_ns in (0, 5, 6, 8, 9)] == [0, 0, 2, 2, 3]


def test_half_a_record_is_left_out() -> None:
    packed = pack_record(0, OUT, 1) + pack_record(4, OUT, 2)
    assert len(Records(packed[:-3])) == 1
    assert len(Records(b"")) == 0


@pytest.mark.parametrize(
    ("entries", "size", "valid"),
    [
        ([], 10, 0),
        ([(0, OUT, 5)], 10, 1),
        ([(0, OUT, 5), (3, ERR, 5), (3, OUT, 5), (10, OUT, 6)], 10, 4),
        ([(1, OUT, 5)], 10, 0),
        ([(0, OUT, 0)], 10, 0),
        ([(0, OUT, 5), (4, OUT, 4)], 10, 1),
        ([(0, OUT, 5), (6, OUT, 6), (5, OUT, 7)], 10, 2),
        ([(0, OUT, 5), (6, OUT, 6), (11, OUT, 7)], 10, 2),
        ([(0, OUT, 5), (6, OUT, 6), (0, OUT, 0)], 10, 2),
    ],
)
def test_records_are_valid_up_to_the_first_that_cannot_be(
    entries: list[tuple[int, Stream, int]], size: int, valid: int
) -> None:
    assert records(*entries).count_valid(size) == valid


def test_a_join_says_whose_lines_go_on() -> None:
    before = Tally(4, 2, (True, False, False))
    assert Join.GOES_ON.apply(before) == before
    assert Join.FRESH.apply(before) == Tally(4, 2, (False, False, False))
    assert Join.GAP.apply(before) == Tally(4, 2, (True, True, True))


def test_streams_have_the_wires_words() -> None:
    assert [stream.label for stream in Stream] == ["stdout", "stderr", "access"]


def test_segments_are_an_eighth_of_the_ring_within_bounds() -> None:
    assert segment_bytes(0) == 128 * 1024
    assert segment_bytes(16 * MIB) == 2 * MIB
    assert segment_bytes(64 * MIB) == MAX_SEGMENT_BYTES
    assert segment_bytes(1024 * MIB) == MAX_SEGMENT_BYTES


@pytest.mark.parametrize(
    ("sizes", "limit", "incoming", "evicted"),
    [
        ([], 8 * MIB, 100, 0),
        ([MIB] * 7, 8 * MIB, MIB, 0),
        ([MIB] * 8, 8 * MIB, 0, 0),
        ([MIB] * 8, 8 * MIB, 1, 1),
        ([MIB] * 8, 8 * MIB, MIB + 1, 2),
        ([MIB] * 8, 2 * MIB, 0, 6),
        ([9 * MIB], 8 * MIB, MIB, 0),
        ([MIB, 9 * MIB], 8 * MIB, MIB, 1),
        ([1] * 100, 8 * MIB, 0, 36),
        ([MIB // 4] * 5, 0, 0, 1),
    ],
)
def test_the_oldest_go_until_the_rest_fits(
    sizes: list[int], limit: int, incoming: int, evicted: int
) -> None:
    assert count_evictions(sizes, limit, incoming) == evicted


def test_a_record_is_sixteen_bytes() -> None:
    assert len(pack_record(MAX_SEGMENT_BYTES, ERR, 1 << 62)) == RECORD_BYTES == 16
