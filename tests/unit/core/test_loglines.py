"""Lines out of segments: windows, tails, what is cut, lost or in pieces, and searches."""

from itertools import pairwise

import pytest

from engine.core import lineindex
from engine.core.lineindex import BLOCK_BYTES
from engine.core.loglines import LOST_HEAD, MAX_CHARACTERS, LineReader, cut_text
from engine.core.logquery import compile_query
from engine.core.logscan import FIRST_REGION_BYTES, REGION_BYTES, regions, regions_backward
from engine.core.logsegment import LineFilter
from engine.core.ring import Join, Tally
from engine.core.wire import LogLine
from tests.rings import ERR, OUT, MemorySnapshot, Write, make_segment


def read(*writes: Write, evicted: int = 0) -> LineReader:
    return LineReader(MemorySnapshot(writes, evicted=evicted))


def texts(lines: list[LogLine]) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in lines]


def matching(
    reader: LineReader, wanted: LineFilter, first: int = 0, *, is_backward: bool = False
) -> list[LogLine]:
    found = reader.matching(wanted, first, is_backward=is_backward)
    return [line for line in found if line is not None]


# --- windows ---


def test_a_ring_without_bytes_has_no_lines() -> None:
    reader = read()
    assert (reader.oldest, reader.end, reader.tail()) == (0, 0, None)
    assert reader.window(0, 10) == []
    assert matching(reader, LineFilter(stream="stdout")) == []
    assert matching(reader, LineFilter(stream="stdout"), 9, is_backward=True) == []


def test_lines_are_numbered_in_the_order_of_their_ends() -> None:
    reader = read(
        Write(b"one\ntwo\nthr", OUT, 100), Write(b"err\n", ERR, 200), Write(b"ee\n", OUT, 300)
    )
    assert reader.window(0, 9) == [
        LogLine(0, 100, "stdout", "one"),
        LogLine(1, 100, "stdout", "two"),
        LogLine(2, 200, "stderr", "err"),
        LogLine(3, 300, "stdout", "three"),
    ]
    assert texts(reader.window(1, 2)) == [(1, "two"), (2, "err")]
    assert reader.window(4, 5) == []
    assert texts(reader.window(-5, 6)) == [(0, "one")]


def test_a_line_goes_on_over_segments() -> None:
    reader = read(
        Write(b"a\nlong "),
        Write(b"line over ", is_cut=True),
        Write(b"e\n", ERR),
        Write(b"segments\nz\n", is_cut=True),
    )
    assert texts(reader.window(0, 9)) == [
        (0, "a"),
        (1, "e"),
        (2, "long line over segments"),
        (3, "z"),
    ]


def test_segments_without_newlines_are_passed_over() -> None:
    reader = read(Write(b"a\nb"), Write(b"c", is_cut=True), Write(b"d\ne\n", is_cut=True))
    assert texts(reader.window(0, 9)) == [(0, "a"), (1, "bcd"), (2, "e")]
    assert texts(reader.window(1, 1)) == [(1, "bcd")]


# --- what is lost ---


def test_a_line_whose_head_is_evicted_is_not_the_oldest() -> None:
    reader = read(Write(b"a\nlost "), Write(b"head\nb\nc\n", is_cut=True), evicted=1)
    assert (reader.oldest, reader.end) == (2, 4)
    assert texts(reader.window(0, 9)) == [(2, "b"), (3, "c")]


def test_lines_wholly_kept_are_the_oldest() -> None:
    reader = read(Write(b"a\n"), Write(b"b\nc\n", is_cut=True), evicted=1)
    assert (reader.oldest, texts(reader.window(0, 9))) == (1, [(1, "b"), (2, "c")])


def test_both_streams_may_have_lost_a_head() -> None:
    reader = read(
        Write(b"out "),
        Write(b"err ", ERR),
        Write(b"x\n", OUT, is_cut=True),
        Write(b"y\nz\n", ERR),
        evicted=1,
    )
    assert texts(reader.window(0, 9)) == [(2, "z")]


def test_a_lost_head_after_kept_lines_is_shown_as_lost() -> None:
    reader = read(
        Write(b"err ", ERR), Write(b"a\n", OUT, is_cut=True), Write(b"y\nz\n", ERR), evicted=1
    )
    assert reader.oldest == 0
    assert texts(reader.window(0, 9)) == [(0, "a"), (1, LOST_HEAD + "y"), (2, "z")]


def test_nothing_may_be_kept_whole() -> None:
    reader = read(Write(b"a\nlost "), Write(b"head\n", is_cut=True), evicted=1)
    assert (reader.oldest, reader.end, reader.window(0, 9)) == (2, 2, [])
    assert matching(reader, LineFilter(stream="stdout")) == []
    assert matching(reader, LineFilter(stream="stdout"), 5, is_backward=True) == []


def test_two_heads_may_be_lost_and_one_line_ended() -> None:
    reader = read(Write(b"out"), Write(b"err", ERR), Write(b"x\n", OUT, is_cut=True), evicted=1)
    assert (reader.oldest, reader.end) == (1, 1)


def test_a_search_backward_leaves_out_lost_heads_at_the_beginning() -> None:
    reader = read(Write(b"a\nlost "), Write(b"head\nb\n", is_cut=True), evicted=1)
    assert texts(matching(reader, LineFilter(stream="stdout"), 9, is_backward=True)) == [(2, "b")]


def test_lines_do_not_go_on_over_a_new_beginning() -> None:
    reader = read(Write(b"a\ntorn"), Write(b"new\n", is_cut=True, join=Join.FRESH))
    assert texts(reader.window(0, 9)) == [(0, "a"), (1, "new")]


def test_lines_that_go_on_over_a_gap_have_lost_their_head() -> None:
    reader = read(Write(b"a\ntorn"), Write(b"end\nb\n", is_cut=True, join=Join.GAP))
    assert texts(reader.window(0, 9)) == [(0, "a"), (1, LOST_HEAD + "end"), (2, "b")]


# --- the unended tail ---


def test_the_tail_is_the_unended_line_written_to_last() -> None:
    writes = [Write(b"a\nout", OUT, 5), Write(b"err", ERR, 6)]
    assert read(*writes).tail() == LogLine(1, 6, "stderr", "err")
    assert read(*writes, Write(b"put", OUT, 7)).tail() == LogLine(1, 7, "stdout", "output")
    assert read(*writes, Write(b"\n", ERR, 8)).tail() == LogLine(2, 8, "stdout", "out")
    assert read(*writes, Write(b"\n", ERR), Write(b"\n", OUT)).tail() is None


def test_the_tail_may_reach_back_over_segments() -> None:
    reader = read(Write(b"x\npart"), Write(b"e\n", ERR, 7, is_cut=True))
    assert reader.tail() == LogLine(2, 7, "stdout", "part")


def test_a_tail_that_is_evicted_whole_is_none() -> None:
    reader = read(Write(b"gone"), Write(b"e\n", ERR, is_cut=True), evicted=1)
    assert reader.tail() is None


# --- monsters and broken bytes ---


def test_any_bytes_are_shown_as_text() -> None:
    reader = read(Write(b"nul\0\nbroken \xff\xc3\ngr\xc3\xbc\xc3\x9fe\r\n\n"))
    assert texts(reader.window(0, 9)) == [
        (0, "nul\0"),
        (1, "broken \ufffd\ufffd"),
        (2, "grüße\r"),
        (3, ""),
    ]


def test_a_monster_line_is_cut_with_its_length() -> None:
    reader = read(Write(b"x" * 10_000 + b"\nshort\n"))
    first, second = reader.window(0, 2)
    assert first.text == "x" * MAX_CHARACTERS
    assert first.cut_bytes == 10_000 - MAX_CHARACTERS
    assert (second.text, second.cut_bytes) == ("short", 0)


@pytest.mark.parametrize("stream", [OUT, ERR])
def test_a_monster_over_many_segments_and_blocks(stream: object) -> None:
    other = ERR if stream is OUT else OUT
    monster = b"m" * (3 * BLOCK_BYTES + 17)
    reader = read(
        Write(b"head\nstart", stream),
        Write(monster, stream),
        Write(b"note\n", other),
        Write(monster, stream, is_cut=True),
        Write(b"end\n", stream),
    )
    head, note, line = reader.window(0, 9)
    assert (head.text, note.text) == ("head", "note")
    assert line.text.startswith("startmmm")
    assert len(line.text) == MAX_CHARACTERS
    assert line.cut_bytes + MAX_CHARACTERS == len(b"start") + 2 * len(monster) + len(b"end")


@pytest.mark.parametrize(
    ("head", "total", "text", "used"),
    [
        (b"", 0, "", 0),
        (b"x" * 4096, 4096, "x" * 4096, 4096),
        (b"x" * 4097, 4097, "x" * 4096, 4096),
        ("é".encode() * 5000, 10_000, "é" * 4096, 8192),
        (b"\xff" * 5000, 5000, "\ufffd" * 4096, 4096),
        ("é".encode() * 3000, 6000, "é" * 3000, 6000),
    ],
)
def test_text_is_cut_by_characters_and_counted_in_bytes(
    head: bytes, total: int, text: str, used: int
) -> None:
    assert cut_text(head, total) == (text, used)


# --- searches ---

LINES = 8000
LONG = [
    Write(b"".join(b"line %d of many, more\n" % n for n in range(start, start + 1000)), OUT, start)
    for start in range(0, LINES, 1000)
]
LONG_CUT = [
    Write(write.data, write.stream, write.time_ns, is_cut=number % 3 == 0)
    for number, write in enumerate(LONG)
]


def by_text(text: str, **options: bool) -> LineFilter:
    return LineFilter(query=compile_query(text, **options))


@pytest.mark.parametrize("writes", [LONG, LONG_CUT])
@pytest.mark.parametrize(
    ("options", "text"),
    [({}, " 777 of"), ({"is_regex": True}, " 7{3} of"), ({"is_case_sensitive": False}, " 777 OF")],
)
def test_a_text_is_found_from_any_line_on(
    writes: list[Write], text: str, options: dict[str, bool]
) -> None:
    reader = read(*writes)
    wanted = by_text(text, **options)
    assert texts(matching(reader, wanted)) == [(777, "line 777 of many, more")]
    assert len(matching(reader, wanted, 777)) == 1
    assert matching(reader, wanted, 778) == []
    assert len(matching(reader, wanted, 777, is_backward=True)) == 1
    assert matching(reader, wanted, 776, is_backward=True) == []


@pytest.mark.parametrize("writes", [LONG, LONG_CUT])
def test_matches_come_in_the_direction_of_the_search(writes: list[Write]) -> None:
    reader = read(*writes)
    numbers = [line.number for line in matching(reader, by_text("7 of"), 100)]
    assert numbers == list(range(107, LINES, 10))
    numbers = [line.number for line in matching(reader, by_text("7 of"), 100, is_backward=True)]
    assert numbers == list(range(97, 0, -10))


def test_a_match_is_found_in_a_line_in_pieces_and_not_across_streams() -> None:
    reader = read(
        Write(b"nee"), Write(b"dle\n", ERR), Write(b"dle in pieces\n"), Write(b"nee"),
        Write(b"dle over segments\n", is_cut=True),
    )  # fmt: skip
    assert texts(matching(reader, by_text("needle"))) == [
        (1, "needle in pieces"),
        (2, "needle over segments"),
    ]


def test_a_candidate_that_is_a_seam_too_comes_once() -> None:
    reader = read(Write(b"a"), Write(b"e\n", ERR), Write(b" needle\nb needle\n"))
    assert texts(matching(reader, by_text("needle"))) == [(1, "a needle"), (2, "b needle")]


def test_lines_too_many_in_pieces_are_all_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineindex, "MAX_SEAMS", 2)
    writes = [Write(b"nee"), Write(b"-", ERR), Write(b"dle\n"), Write(b"\n", ERR)] * 5
    reader = read(*writes)
    assert [line.number for line in matching(reader, by_text("needle"))] == [0, 2, 4, 6, 8]


def test_lines_are_filtered_by_stream_and_time() -> None:
    reader = read(
        Write(b"a\nb\n", OUT, 10),
        Write(b"c\n", ERR, 20),
        Write(b"d\n", OUT, 30, is_cut=True),
        Write(b"e\n", ERR, 40),
    )

    def found(**fields: object) -> str:
        return "".join(line.text for line in matching(reader, LineFilter(**fields)))

    assert found(stream="stderr") == "ce"
    assert found(since_ns=20) == "cde"
    assert found(since_ns=21) == "de"
    assert found(until_ns=20) == "abc"
    assert found(until_ns=19, stream="stderr") == ""
    assert found(since_ns=15, until_ns=35) == "cd"
    assert found(since_ns=41) == ""
    backward = reader.matching(LineFilter(until_ns=20, stream="stdout"), 9, is_backward=True)
    assert "".join(line.text for line in backward if line) == "ba"
    assert found(stream="stdout", query=compile_query("d")) == "d"
    assert found(stream="stderr", query=compile_query("d")) == ""
    assert LineFilter().is_all
    assert not LineFilter(until_ns=5).is_all


def test_a_line_begun_too_early_is_searched_whole() -> None:
    reader = read(Write(b"x\nneedle", OUT, 10), Write(b" rest\n", OUT, 20))
    wanted = LineFilter(since_ns=15, query=compile_query("needle"))
    assert texts(matching(reader, wanted)) == [(1, "needle rest")]


def test_a_clock_set_back_between_segments_hides_nothing() -> None:
    reader = read(Write(b"a\n", OUT, 100), Write(b"b\n", OUT, 50, is_cut=True))
    assert texts(matching(reader, LineFilter(since_ns=60))) == [(0, "a")]
    assert texts(matching(reader, LineFilter(until_ns=60))) == [(1, "b")]


def test_a_search_tells_how_far_it_came() -> None:
    line = b"x" * 99 + b"\n"
    reader = read(Write(line * 10_000))
    steps = reader.matching(by_text("needle"), 0)
    assert reader.reached is None
    reached = [reader.reached for _ in steps]
    per_region = REGION_BYTES // 100
    assert [n for n in reached if n is not None] == [0, per_region, 2 * per_region, 3 * per_region]
    steps = reader.matching(by_text("needle"), 9_999, is_backward=True)
    reached = [reader.reached for _ in steps]
    assert reached[-1] is not None
    assert reached[1:3] == [9_999, (len(line) * 10_000 - FIRST_REGION_BYTES) // len(line) - 1]


def test_a_search_gives_way_among_many_matches() -> None:
    reader = read(*LONG)
    for is_backward in (False, True):
        steps = list(reader.matching(by_text("many"), LINES // 2, is_backward=is_backward))
        assert steps.count(None) > LINES / 2 / 256


def test_regions_cut_after_newlines_both_ways() -> None:
    data = b"short\n" * 60_000 + b"m" * (2 * REGION_BYTES) + b"\nend\nopen"
    segment = make_segment([Write(data)], Tally())
    forward = list(regions(segment, 0, len(data)))
    backward = list(regions_backward(segment, 0, len(data)))[::-1]
    for found in (forward, backward):
        assert found[0][0] == 0
        assert found[-1][1] == len(data)
        for (_, stop), (start, _) in pairwise(found):
            assert stop == start
            assert data[stop - 1 : stop] == b"\n"
        assert len(found) >= 3


def test_lines_are_filtered_in_a_segment_without_an_ended_line() -> None:
    reader = read(Write(b"a\n"), Write(b"open", is_cut=True))
    assert texts(matching(reader, LineFilter(stream="stdout"))) == [(0, "a")]
    assert matching(reader, by_text("open")) == []
