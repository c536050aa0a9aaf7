"""An engine that does what a test says: its side of the link with the keeper, and no more.

`python -P -m tests.kernel.played daemon --keeper-fd 3 ...` connects to the test by the socket in
TEN_TEST_SOCKET and relays: what the test sends goes to the keeper, what the keeper sends goes to
the test with its descriptors. As `door` it sleeps until it is ended.
"""

import os
import selectors
import signal
import socket
import sys


def relay() -> None:
    keeper = socket.socket(fileno=3)
    test = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    test.connect(os.environ["TEN_TEST_SOCKET"])
    selector = selectors.DefaultSelector()
    selector.register(keeper, selectors.EVENT_READ, test)
    selector.register(test, selectors.EVENT_READ, keeper)
    while True:
        for key, _ in selector.select():
            source, target = key.fileobj, key.data
            assert isinstance(source, socket.socket)
            data, fds, _, _ = socket.recv_fds(source, 1 << 20, 253)
            if not data:
                return
            socket.send_fds(target, [data], fds)
            for fd in fds:
                os.close(fd)


def main() -> None:
    from engine.kernel import syscalls

    is_engine = sys.argv[1] == "daemon"
    number = signal.SIGTERM if is_engine else signal.SIGKILL
    if not syscalls.set_pdeathsig(number, os.getppid()):
        return
    if is_engine:
        relay()
    else:
        signal.pause()


main()
