"""What doors and the keeper say to each other."""

import struct

import msgspec
import pytest

from engine.core.supplywire import Home, decode, encode_request


def test_a_request_has_the_form_the_keeper_reads() -> None:
    data = encode_request(Home(4711, 1 << 40), 16)
    assert struct.unpack("=IQI", data) == (4711, 1 << 40, 16)


def test_an_answer_as_the_keeper_writes_it() -> None:
    answer = decode(b'{"type":"supplied","pid":7,"start_ticks":9,"errno":3,"new":1}')
    assert (answer.home, answer.errno) == (Home(7, 9), 3)
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"type":"reply"}')
