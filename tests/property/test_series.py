"""A series keeps what a list of its newest samples would, to its precision."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.series import Series, decode, encode
from engine.core.wire import Sample

SMALLEST = 2.0**-20
LARGEST = 8.7e12

figures = st.one_of(st.just(0.0), st.floats(1e-5, 1e12), st.integers(0, 10**12).map(float))
samples = st.builds(
    Sample,
    time=st.floats(1.7e9, 1.7e9 + 1e6).map(lambda time: round(time, 3)),
    cpu_cores=figures,
    memory_bytes=st.integers(0, 10**12),
    requests=figures,
    p95_ms=figures,
    inflight=st.integers(0, 2000),
    log_lines=figures,
)


@given(st.floats(SMALLEST, LARGEST))
def test_figures_keep_their_precision(value: float) -> None:
    assert abs(decode(encode(value)) - value) <= value / 2048


@given(st.floats(), st.floats())
def test_larger_figures_never_read_smaller(one: float, other: float) -> None:
    if one <= other:
        assert encode(one) <= encode(other)


@given(st.integers(1 << 10, (1 << 16) - 1))
def test_every_code_comes_back(code: int) -> None:
    assert encode(decode(code)) == code


@given(st.lists(samples, max_size=40), st.integers(1, 12), st.integers(0, 50))
def test_a_series_is_the_tail_of_a_list(taken: list[Sample], capacity: int, count: int) -> None:
    series = Series(capacity)
    for sample in taken:
        series.append(sample)
    expected = taken[max(0, len(taken) - min(capacity, count)) :] if count else []
    found = series.newest(count)
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert abs(got.time - want.time) < 0.001
        assert got.inflight == want.inflight
        for field in ("cpu_cores", "memory_bytes", "requests", "p95_ms", "log_lines"):
            value = getattr(want, field)
            assert abs(getattr(got, field) - value) <= value / 2048
    if expected:
        assert found[-1] == expected[-1] == series.latest
