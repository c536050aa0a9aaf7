"""Headers of the PROXY protocol, however they are cut."""

import ipaddress
import struct

import pytest

from engine.core.proxy_protocol import LENGTH_LIMIT_BYTES, SIGNATURE, NotSaid, Preface, read_preface


def header(command=0x21, family=0x11, block=b"", length=None):
    length = len(block) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, length) + block


def addresses(source, target="127.0.0.1"):
    pair = [ipaddress.ip_address(text).packed for text in (source, target)]
    return b"".join(pair) + struct.pack("!HH", 1234, 80)


GOOD = {
    "tcp4": (header(block=addresses("1.2.3.4")), b"1.2.3.4"),
    "tcp6": (header(family=0x21, block=addresses("2a00::1", "::1")), b"2a00::1"),
    "mapped": (header(family=0x21, block=addresses("::ffff:1.2.3.4", "::1")), b"1.2.3.4"),
    "extensions": (header(block=addresses("1.2.3.4") + b"\x03\x00\x04abcd"), b"1.2.3.4"),
    "local": (header(0x20, 0, b""), b""),
    "local with addresses": (header(0x20, 0x11, addresses("1.2.3.4")), b""),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_header_and_what_follows(name):
    data, source = GOOD[name]
    assert read_preface(data + b"GET /") == Preface(source, b"GET /")
    for size in range(len(data)):
        assert read_preface(data[:size]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"\r\n\r\nGET",
        header(0x11, block=addresses("1.2.3.4")),
        header(0x22, block=addresses("1.2.3.4")),
        header(family=0x12, block=addresses("1.2.3.4")),
        header(family=0x31, block=b"a" * 216),
        header(family=0, block=b""),
        header(block=addresses("1.2.3.4")[:-1]),
        header(family=0x21, block=addresses("1.2.3.4")),
        header(length=LENGTH_LIMIT_BYTES + 1),
    ],
)
def test_no_header(data):
    with pytest.raises(NotSaid):
        read_preface(data)
