"""However the bytes of a connection are cut, and whatever they are, the reading is the same."""

from itertools import pairwise

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from engine.core.chunked import ChunkReader, encode_chunk, encode_last
from engine.core.http1 import ResponseReader
from engine.core.http1_events import End, RequestHead
from tests.http1_reading import merge, read_requests, without_reason
from tests.unit.core.http1_corpus import CUT_BODIES, HOST, REQUESTS, RESPONSES

SMALL_REQUESTS = [data for data, _ in REQUESTS.values() if len(data) < 3000]
SMALL_RESPONSES = [data for data, _ in RESPONSES.values() if len(data) < 3000]
SMALL_RESPONSES += CUT_BODIES.values()

ODD = st.sampled_from(
    [
        *(b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b"\x00", b"0", b";", b"\xff"),
        *(
            b"chunked",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"HTTP/1.1",
            HOST,
            b"Host: b",
        ),
    ]
)


@st.composite
def mutated(draw, samples):
    """Take a sample and put odd bytes into it, or take some out."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data = data[:at] + draw(ODD) + data[at + gone :]
    return data


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[one:two] for one, two in pairwise(edges)]


CUTS = st.lists(st.integers(0, 5000), max_size=12)


@given(st.lists(mutated(SMALL_REQUESTS), min_size=1, max_size=3), CUTS)
def test_requests_read_the_same_however_they_are_cut(messages, places):
    data = b"".join(messages)
    whole = without_reason(read_requests([data]))
    assert without_reason(read_requests(cut(data, places))) == whole
    assert without_reason(read_requests(data[i : i + 1] for i in range(len(data)))) == whole


@given(mutated(SMALL_RESPONSES), CUTS, st.sampled_from([b"GET", b"HEAD"]))
def test_responses_read_the_same_however_they_are_cut(data, places, method):
    def read(pieces):
        reader = ResponseReader()
        reader.expect(method)
        events = []
        for piece in pieces:
            events += reader.receive(piece)
        return without_reason(merge(events + reader.receive_end())), reader.buffered

    whole = read([data])
    assert read(cut(data, places)) == whole
    assert read(data[i : i + 1] for i in range(len(data))) == whole


class Eyes:
    def __init__(self):
        self.seen = []

    def on_message_begin(self):
        self.seen.append([b"", b"", False])

    def on_url(self, piece):
        self.seen[-1][0] += piece

    def on_body(self, piece):
        self.seen[-1][1] += piece

    def on_message_complete(self):
        self.seen[-1][2] = True


@given(st.lists(mutated(SMALL_REQUESTS), min_size=1, max_size=3))
@example([REQUESTS["same length twice"][0]])
def test_an_upstream_sees_as_many_requests_as_we_did(messages):
    """Nothing of one request is ever read as another, also by an independent reader."""
    sent, ours = b"", []
    for event in read_requests([b"".join(messages)]):
        if isinstance(event, RequestHead):
            head = event
            framing = b"Transfer-Encoding: chunked\r\n" if head.is_chunked else b""
            sent += b"POST %b HTTP/1.1\r\n%b%b\r\n" % (head.target, head.fields, framing)
            ours.append([head.target, b"", False])
        elif isinstance(event, bytes):
            sent += encode_chunk(event) if head.is_chunked else event
            ours[-1][1] += event
        elif isinstance(event, End):
            sent += encode_last(event.trailers) if head.is_chunked else b""
            ours[-1][2] = True
    # llhttp wants a path where we pass the star of OPTIONS; both mean the same request.
    eyes = Eyes()
    httptools.HttpRequestParser(eyes).feed_data(sent.replace(b"POST * ", b"OPTIONS * "))
    assert eyes.seen == ours


@given(st.lists(st.binary(max_size=300), max_size=6), CUTS)
def test_chunks_come_back_as_they_were_written(contents, places):
    data = b"".join(map(encode_chunk, contents)) + encode_last(b"")
    reader = ChunkReader()
    pieces = []
    for piece in cut(data, places):
        reader.receive(piece, pieces)
    assert b"".join(pieces) == b"".join(contents)
    assert (reader.is_done, reader.rest) == (True, b"")
