"""What `tests.corpus` says, in the shape that tests of one message at a time need.

For a request: 200 where it may be passed on, else the status it is refused with. For a response:
None where it is refused, else the status that is passed on.
"""

from tests import corpus

HOST = b"Host: a.api.localhost\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + b"".join(one + b"\r\n" for one in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return get(*lines, line=b"POST / HTTP/1.1") + body


REQUESTS: dict[str, tuple[bytes, int]] = {
    name: (row.data, row.answers[0])
    for name, row in corpus.REQUESTS.items()
    if len(row.answers) == 1
}

_PLAIN = {
    name: row
    for name, row in corpus.RESPONSES.items()
    if row.method == "GET" and not row.asks and b"HTTP/1.1 101" not in row.data
}

RESPONSES: dict[str, tuple[bytes, int | None]] = {
    name: (row.data, None if row.status == 502 else row.status)
    for name, row in _PLAIN.items()
    if not row.cut
}

CUT_BODIES: dict[str, bytes] = {
    name: row.data for name, row in _PLAIN.items() if row.cut and row.body
}
"""Responses whose head is fine and whose body never ends well."""
