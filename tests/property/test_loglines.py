"""Lines read from segments are those of a model, however the bytes came and were cut."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.loglines import LineReader
from engine.core.logquery import compile_query
from engine.core.logsegment import LineFilter
from engine.core.ring import Stream
from tests.rings import MemorySnapshot, RingModel, Write

pieces = st.lists(
    st.sampled_from(
        [b"\n", b"a", b"b", b"ab\n", b"needle", b"nee", b"dle\n", b"\xff", "é".encode()]
    ),
    max_size=6,
).map(b"".join)
writes = st.lists(
    st.builds(
        Write,
        data=pieces.filter(bool),
        stream=st.sampled_from(list(Stream)),
        is_cut=st.integers(0, 4).map(lambda n: n == 0),
    ),
    max_size=25,
).map(
    lambda found: [
        Write(write.data, write.stream, 10 + number // 2, write.is_cut)
        for number, write in enumerate(found)
    ]
)


def model_of(found: list[Write]) -> RingModel:
    model = RingModel()
    for write in found:
        model.write(write.data, write.stream, write.time_ns)
    return model


def as_model(lines: list) -> list[tuple[int, str, str, int]]:
    return [(line.number, line.stream, line.text, line.time_ns) for line in lines]


@given(writes, st.integers(0, 12), st.integers(0, 12))
def test_windows_are_those_of_the_model(found: list[Write], first: int, count: int) -> None:
    model = model_of(found)
    reader = LineReader(MemorySnapshot(found))
    assert (reader.oldest, reader.end) == (0, len(model.lines))
    assert as_model(reader.window(first, count)) == as_model(model.lines[first : first + count])
    tail = reader.tail()
    assert (tail and (tail.stream, tail.text)) == model.tail


@given(
    writes,
    st.integers(0, 20),
    st.booleans(),
    st.sampled_from(["", "stdout", "stderr", "access"]),
    st.sampled_from([("", {}), ("needle", {}), ("n.*e", {"is_regex": True}), ("A", {})]),
    st.integers(0, 25),
    st.integers(0, 25),
)
def test_matches_are_those_of_the_model(
    found: list[Write],
    first: int,
    is_backward: bool,
    stream: str,
    search: tuple[str, dict[str, bool]],
    since_ns: int,
    until_ns: int,
) -> None:
    text, options = search
    query = compile_query(text, **options) if text else None
    wanted = LineFilter(stream, since_ns, until_ns, query)
    expected = [
        line
        for line in model_of(found).lines
        if stream in ("", line.stream)
        and since_ns <= line.time_ns <= (until_ns or line.time_ns)
        and (query is None or query.accepts(line.text.encode()))
        and (line.number <= first if is_backward else line.number >= first)
    ]
    reader = LineReader(MemorySnapshot(found))
    lines = reader.matching(wanted, first, is_backward=is_backward)
    got = [line for line in lines if line is not None]
    assert as_model(got) == as_model(expected[::-1] if is_backward else expected)


@given(writes, st.integers(1, 4))
def test_what_is_kept_after_an_eviction_is_as_it_was(found: list[Write], evicted: int) -> None:
    snapshot = MemorySnapshot(found, evicted=evicted)
    model = model_of(found)
    reader = LineReader(snapshot)
    assert reader.end == len(model.lines)
    for line in reader.window(0, 1000):
        whole = model.lines[line.number]
        assert line.stream == whole.stream
        if line.text != whole.text:
            assert line.text.startswith("…")
            assert line.number > reader.oldest
