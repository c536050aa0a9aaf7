"""An upstream that writes down what it was asked, read by a parser that is not ours."""

import contextlib
import socket
from collections.abc import Iterator

import h11

from tests.e2e.door_apps import Upstream, upstream


class Recorder:
    """What reached the upstream: (method and target, body), in the order of arrival."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bytes]] = []
        self.port = 0

    def take(self) -> list[tuple[bytes, bytes]]:
        """Give what came since the last time."""
        seen, self.seen = self.seen, []
        return seen

    def talk(self, _: Upstream, sock: socket.socket) -> None:
        """Answer each request with its own target."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        line, body = b"", b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = sock.recv(65536)
                if not data:
                    return  # what has not come to its end is no request
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                line, body = event.method + b" " + event.target, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._note(line, body)
                sock.sendall(_answer(connection, line.partition(b" ")[2][:100]))
                if connection.our_state is not h11.DONE:
                    return
                connection.start_next_cycle()
            else:
                return

    def _note(self, line: bytes, body: bytes) -> None:
        if not line.startswith(b"GET /witness"):
            self.seen.append((line, body))


def _answer(connection: h11.Connection, body: bytes) -> bytes:
    response = h11.Response(status_code=200, headers=[("Content-Length", str(len(body)))])
    parts = [connection.send(event) for event in (response, h11.Data(body), h11.EndOfMessage())]
    return b"".join(part or b"" for part in parts)


@contextlib.contextmanager
def recorder() -> Iterator[Recorder]:
    """Serve on a free port."""
    made = Recorder()

    def talk(up: Upstream, sock: socket.socket) -> None:
        try:
            made.talk(up, sock)
        except h11.RemoteProtocolError as error:
            made.seen.append((b"unreadable", str(error).encode()))

    with upstream(talk) as up:
        made.port = up.port
        yield made
