"""A tenant's program for either server: answers 200 to everything and numbers its lines."""

import os
import socket
import sys
import threading
import time


def write_lines() -> None:
    for number in range(10**7):
        os.write(2 if number % 5 == 0 else 1, b"line %07d of %d\n" % (number, os.getpid()))
        time.sleep(0.05)


def answer(link: socket.socket) -> None:
    """Answer one request, and let the other side close first, as both servers' probes do."""
    with link:
        try:
            link.settimeout(5)
            link.recv(65536)
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            return


def main() -> None:
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    threading.Thread(target=write_lines, daemon=True).start()
    while True:
        link, _ = listening.accept()
        threading.Thread(target=answer, args=(link,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
