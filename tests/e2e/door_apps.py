"""Upstreams for the door: programs of few lines, run for real."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Talk = Callable[[socket.socket], None]
"""What an upstream does with one connection."""


@dataclass
class Upstream:
    """A listener whose connections are each served by a thread."""

    port: int
    listener: socket.socket
    connections: int = 0
    received: list[bytes] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def stop(self) -> None:
        """Take no more connections, and end those there are."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def request(self, sock: socket.socket) -> bytes:
        """Read one head, b"" at the end of the connection; note it."""
        got = b""
        while b"\r\n\r\n" not in got:
            data = sock.recv(65536)
            if not data:
                return b""
            got += data
        self.received.append(got)
        return got


@contextlib.contextmanager
def upstream(
    talk: Callable[[Upstream, socket.socket], None], *, port: int = 0
) -> Iterator[Upstream]:
    """Serve on a port, a free one if none is named."""
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    made = Upstream(listener.getsockname()[1], listener)

    def serve(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            talk(made, sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                made.connections += 1
                made.sockets.append(sock)
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join(5)


def response(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def echo(up: Upstream, sock: socket.socket) -> None:
    """Answer each request with its own head."""
    while request := up.request(sock):
        sock.sendall(response(request))


def say(text: bytes) -> Callable[[Upstream, socket.socket], None]:
    """Answer each request with a text."""

    def talk(up: Upstream, sock: socket.socket) -> None:
        while up.request(sock):
            sock.sendall(response(text))

    return talk


def once(*parts: bytes) -> Callable[[Upstream, socket.socket], None]:
    """Answer one request with raw bytes, then end the connection."""

    def talk(up: Upstream, sock: socket.socket) -> None:
        if up.request(sock):
            for part in parts:
                sock.sendall(part)

    return talk


def _more(sock: socket.socket) -> bytes:
    """Receive; the end of the connection is an error, which ends the talk."""
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError
    return data


def counting(up: Upstream, sock: socket.socket) -> None:
    """Answer with what was received, as it was framed."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, rest = data.partition(b"\r\n\r\n")
    up.received.append(head)
    if b"chunked" in head:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += _more(sock)
    else:
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(rest) < length:
            rest += _more(sock)
    sock.sendall(response(rest))
    sock.recv(1)
