"""The chunked coding by itself; the readers' tests feed it in every cut."""

import pytest

from engine.core.chunked import LINE_LIMIT_BYTES, ChunkReader, encode_chunk, encode_last
from engine.core.http1_head import HEAD_LIMIT_BYTES, HeadRefused


def read(*parts):
    reader = ChunkReader()
    pieces = []
    for part in parts:
        reader.receive(part, pieces)
    return reader, pieces


def test_what_is_written_is_read_back():
    reader, pieces = read(encode_chunk(b"one") + encode_chunk(b"") + encode_chunk(b"two"))
    assert pieces == [b"one", b"two"]
    assert not reader.is_done
    reader.receive(encode_last(b"A: b\r\n") + b"rest", pieces)
    assert (reader.is_done, reader.trailers, reader.rest) == (True, b"A: b\r\n", b"rest")


def test_an_end_without_trailers():
    reader, pieces = read(encode_last(b""))
    assert (reader.is_done, reader.trailers, reader.rest, pieces) == (True, b"", b"", [])


def test_content_is_given_as_it_comes():
    reader, pieces = read(b"5\r\nhe", b"l", b"lo\r", b"\n", b"0", b"\r\n\r", b"\n")
    assert pieces == [b"he", b"l", b"lo"]
    assert reader.is_done


def test_content_before_a_fault_is_given():
    reader = ChunkReader()
    pieces = []
    with pytest.raises(HeadRefused):
        reader.receive(b"2\r\nok\r\nzz\r\n", pieces)
    assert pieces == [b"ok"]


@pytest.mark.parametrize("parts", [(b"1;" + b"x" * LINE_LIMIT_BYTES,), (b"1;", b"x" * 2000)])
def test_a_size_line_has_a_limit(parts):
    with pytest.raises(HeadRefused):
        read(*parts)


def test_trailers_have_a_limit_before_they_end():
    with pytest.raises(HeadRefused) as refused:
        read(b"0\r\nA: ", b"b" * HEAD_LIMIT_BYTES)
    assert refused.value.status == 431


def test_a_control_byte_in_trailers_is_refused_at_once():
    with pytest.raises(HeadRefused):
        read(b"0\r\nA: b\x00")
