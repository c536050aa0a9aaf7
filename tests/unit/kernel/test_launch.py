import errno
import os
import socket

from engine.kernel.syscalls.launch import Launch


def test_a_failure_is_told_though_the_word_to_go_was_never_read() -> None:
    """A socket closed with something unread is a reset to the other end, before its last words."""
    launch = Launch([["chdir", "/nowhere"], ["exec", "/bin/true", ["true"], {}]])
    launch.report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    launch.report.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    launch.pid, launch.status_fd = os.getpid() + 1, os.open(os.devnull, os.O_RDONLY)
    theirs.send(b"ready")
    launch.read()
    launch.go()
    theirs.send(b'[0, 2, "/nowhere"]')
    theirs.close()
    while launch.read():
        pass
    launch.close()
    os.close(launch.status_fd)
    assert launch.failure == {
        "step": "chdir /nowhere",
        "errno": errno.ENOENT,
        "path": "/nowhere",
        "index": 0,
    }
