"""An engine that a test plays: it hands its end of the link with the keeper to the test, and waits.

`python -P -m tests.kernel.played daemon --keeper-fd 3 ...` connects to the test by the socket in
TEN_TEST_SOCKET and sends descriptor 3. As `door` it only waits.
"""

import os
import signal
import socket
import sys

from engine.kernel import syscalls


def main() -> None:
    is_engine = sys.argv[1] == "daemon"
    number = signal.SIGTERM if is_engine else signal.SIGKILL
    if not syscalls.set_pdeathsig(number, os.getppid()):
        return
    if is_engine:
        test = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        test.connect(os.environ["TEN_TEST_SOCKET"])
        socket.send_fds(test, [b"link"], [3])
        os.close(3)
    signal.pause()


main()
