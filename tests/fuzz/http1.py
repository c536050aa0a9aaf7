"""Feed the readers of HTTP/1.1 whatever libFuzzer comes up with, begun from the corpus.

    pip install atheris
    python -m tests.fuzz.http1 FOLDER -max_total_time=600

FOLDER keeps what was found to be worth keeping. Any crash, any reading that depends on how the
bytes were cut, and any request that h11 reads otherwise than we do ends the run.
"""

import contextlib
import sys
from pathlib import Path

import atheris  # of no pins: it is for this program alone

with atheris.instrument_imports(include=["engine.core"]):
    from engine.core import chunked, http1, http1_head, proxies, proxy_protocol  # noqa: F401

import h11

from engine.core.chunked import encode_chunk, encode_last
from engine.core.http1 import ResponseReader
from engine.core.http1_events import End, RequestHead
from engine.core.proxies import TrustedProxies
from engine.core.proxy_protocol import NotSaid, read_preface
from tests.corpus import REQUESTS, RESPONSES
from tests.http1_reading import merge, read_requests, without_reason

TRUSTED = TrustedProxies(["10.0.0.0/8", "127.0.0.1"])


def requests(pieces):
    return without_reason(read_requests(pieces))


def responses(pieces, method):
    reader = ResponseReader()
    reader.expect(method)
    events = []
    for piece in pieces:
        events += reader.receive(piece)
    return without_reason(merge(events + reader.receive_end())), reader.buffered


def as_sent(events):
    """Write the whole requests anew, as an instance gets them."""
    sent = []
    head, body = None, b""
    for event in events:
        if isinstance(event, RequestHead):
            head, body = event, b""
        elif isinstance(event, bytes):
            body += event
        elif isinstance(event, End) and head is not None:
            framing = b"Transfer-Encoding: chunked\r\n" if head.is_chunked else b""
            host = b"" if head.host is not None else b"Host: x\r\n"
            line = b"POST %b HTTP/1.1\r\n" % head.target
            tail = encode_chunk(body) + encode_last(event.trailers) if head.is_chunked else body
            sent.append((head, body, line + head.fields + framing + host + b"\r\n" + tail))
    return sent


def check_by_h11(head, body, data):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request), event
    assert event.target == head.target
    got = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        got += event.data
    assert got == body
    assert connection.trailing_data[0] == b""


def one(data: bytes) -> None:
    """Try one input."""
    if not data:
        return
    size, data = data[0] % 7 + 1, data[1:]
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    whole = requests([data])
    assert requests(pieces) == whole
    for head, body, sent in as_sent(whole):
        check_by_h11(head, body, sent)
        TRUSTED.believe(b"10.0.0.1", head.host, head.forwarded).lines()
    for method in (b"GET", b"HEAD"):
        assert responses([data], method) == responses(pieces, method)
    with contextlib.suppress(NotSaid):
        read_preface(data)


def main() -> None:
    """Begin from the corpus, in the folder that is the first argument."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        folder = Path(sys.argv[1])
        folder.mkdir(exist_ok=True)
        for kind, rows in (("request", REQUESTS), ("response", RESPONSES)):
            for number, row in enumerate(rows.values()):
                if len(row.data) < 4000:
                    (folder / f"{kind}-{number}").write_bytes(b"\x02" + row.data)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
