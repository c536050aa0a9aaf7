"""Reading HTTP/1.1 in pieces, and what of the events does not depend on how it was cut."""

from engine.core.http1 import RequestReader
from engine.core.http1_events import End, Refused


def merge(events):
    """Join pieces of a body that follow each other: how they are cut is no matter."""
    out = []
    for event in events:
        if isinstance(event, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += event
        elif event != b"":
            out.append(event)
    return out


def read_requests(pieces):
    """Read requests one after another, as a connection does."""
    reader = RequestReader()
    events = []
    for piece in pieces:
        got = reader.receive(piece)
        events += got
        while got and isinstance(got[-1], End):
            got = reader.go_on()
            events += got
    return merge(events)


def without_reason(events):
    """Leave out why it was refused: the first fault found may depend on the cut."""
    return [event.status if isinstance(event, Refused) else event for event in events]
