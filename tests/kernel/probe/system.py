"""System calls for the tries, by ctypes; each fails with an OSError."""

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    """Make a system call by its number on x86-64."""
    ctypes.set_errno(0)
    values = [ctypes.c_ulong(each % 2**64) if isinstance(each, int) else each for each in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *values)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def passes(number: int, *arguments: object, but: tuple[int, ...]) -> bool:
    """Tell whether a call gets past the check of privileges: any of these errors means it did."""
    try:
        call(number, *arguments)
    except OSError as error:
        if error.errno in but:
            return True
        raise
    return True


def in_child(act: object) -> bool:
    """Do something in a forked child, so that nothing of it stays; tell whether it went well."""
    assert callable(act)
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(255)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code > 0:
        raise OSError(code, errno.errorcode.get(code, "?"))
    return code == 0


def can_open(path: str, flags: int) -> bool:
    """Open and close, without blocking."""
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
    return True
