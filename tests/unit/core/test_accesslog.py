"""Lines of the access log: what is said, what is not, and that they fit into a pipe."""

import json

import pytest

from engine.core.accesslog import LINE_BYTES, AccessLine, begin_line, encode_line, lost_line
from engine.core.http1 import RequestReader
from engine.core.http1_events import RequestHead

SECRETS = (
    b"Authorization: Bearer s3cret\r\nCookie: sid=s3cret\r\n"
    b"X-Note: user-agent: s3cret\r\nReferer: http://x/?s3cret\r\n"
)


def head_of(target: bytes, fields: bytes = b"") -> RequestHead:
    request = b"GET %b HTTP/1.1\r\nHost: a.api.localhost\r\n%b\r\n" % (target, fields)
    (head, *_) = RequestReader().receive(request)
    assert isinstance(head, RequestHead), head
    return head


def line_of(target: bytes, fields: bytes = b"") -> AccessLine:
    return begin_line(head_of(target, fields), b"203.0.113.9", 1_700_000_000.0625)


def test_a_line_says_what_is_known_and_keeps_what_may_be_secret() -> None:
    fields = SECRETS + b"user-AGENT:  curl/8 \r\nX-Request-ID: 7f\r\n"
    line = line_of(b"/a/b?token=s3cret", fields)
    line.status, line.bytes_out = 200, 60
    data = encode_line(line)
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1
    assert b"s3cret" not in data
    assert json.loads(data) == {
        "time": "2023-11-14T22:13:20.062Z",
        "client": "203.0.113.9",
        "method": "GET",
        "host": "a.api.localhost",
        "path": "/a/b",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": 60,
        "agent": "curl/8",
        "request_id": "7f",
    }


def test_bytes_that_a_terminal_obeys_are_written_out() -> None:
    data = encode_line(line_of(b"/", b"User-Agent: \x9b31m\xc3\xa9\r\n"))
    assert data.isascii()
    assert json.loads(data)["agent"] == "\\x9b31m\\xc3\\xa9"


@pytest.mark.parametrize("odd", [b'"', b"\\", b"a", b"\xff"])
def test_no_line_is_longer_than_a_pipe_takes_whole(odd: bytes) -> None:
    path = b"/" + (odd if odd != b"\xff" else b"%FF") * 4000
    fields = b"User-Agent: %b\r\nX-Request-Id: %b\r\nUpgrade: x\r\nConnection: upgrade\r\n"
    data = encode_line(line_of(path, fields % (odd * 3000, odd * 3000)))
    assert len(data) <= LINE_BYTES
    found = json.loads(data)
    assert found["path"].endswith("...")
    assert found["agent"].endswith("...")
    assert found["upgrade"] == "x"


def test_lines_that_are_missing_are_counted() -> None:
    assert json.loads(lost_line(7, 0.5)) == {"time": "1970-01-01T00:00:00.500Z", "lost": 7}
