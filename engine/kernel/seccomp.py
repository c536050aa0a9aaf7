"""Filters of system calls: rules compiled by libseccomp to a program for the kernel.

Compiled in the engine once; the launch only loads the bytes. Source: seccomp(2), seccomp_init(3).
"""

from __future__ import annotations

import ctypes
import errno as errnos
import functools
import os
import platform
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing

if TYPE_CHECKING:
    from collections.abc import Iterable

LIBRARY = "libseccomp.so.2"
FIX = "apt-get install libseccomp2"

_ACT_ALLOW = 0x7FFF0000
_ACT_ERRNO = 0x00050000
_ATTR_ACT_BADARCH = 2
_ATTR_CTL_OPTIMIZE = 8
_BY_BINARY_TREE = 2
_U32 = 0xFFFFFFFF

_NUMBERS = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
"""Calls that an older library does not know by name; their numbers are the same everywhere."""


class Compare(IntEnum):
    """How an argument is compared; the numbers are libseccomp's."""

    AT_LEAST = 5
    MASKED = 7


@dataclass(frozen=True)
class Argument:
    """A condition on one argument.

    Attributes:
        index: 0 for the first.
        value: What it is compared with.
        mask: Which bits are; an int of C is what its lower 32 bits say, whatever is above.
    """

    index: int
    value: int
    mask: int = _U32
    compare: Compare = Compare.MASKED


@dataclass(frozen=True)
class Rule:
    """A system call that fails, if all conditions on its arguments hold."""

    call: str
    arguments: tuple[Argument, ...] = ()
    errno: int = errnos.EPERM


def why_missing() -> tuple[str, str]:
    """Say why there can be no filters here, and what helps; ("", "") where there can."""
    if not Path("/proc/sys/kernel/seccomp/actions_avail").exists():
        return "the kernel has no seccomp filters", "run a kernel with CONFIG_SECCOMP_FILTER"
    if platform.machine() not in ("x86_64", "aarch64", "riscv64"):
        return f"filters were never tried on {platform.machine()}", ""
    try:
        _library()
    except FeatureMissing as error:
        return str(error), error.hint
    return "", ""


def compile_filter(rules: Iterable[Rule]) -> bytes:
    """Compile a filter: what no rule names is allowed; what is not of this machine fails.

    A program for another architecture (32 bits) has every call refused: its calls have other
    numbers, and some hide their arguments from a filter.

    Returns: an array of struct sock_filter.

    Raises:
        FeatureMissing: There is no libseccomp.
        OSError: It refuses a rule.
    """
    library = _library()
    context = library.seccomp_init(ctypes.c_uint32(_ACT_ALLOW))
    if not context:
        raise OSError(errnos.ENOMEM, "seccomp_init")
    try:
        act = ctypes.c_uint32(_ACT_ERRNO | errnos.EPERM)
        _check(library.seccomp_attr_set(context, _ATTR_ACT_BADARCH, act), "seccomp_attr_set")
        library.seccomp_attr_set(context, _ATTR_CTL_OPTIMIZE, ctypes.c_uint32(_BY_BINARY_TREE))
        for rule in rules:
            _add(library, context, rule)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _add(library: ctypes.CDLL, context: int, rule: Rule) -> None:
    number = library.seccomp_syscall_resolve_name(rule.call.encode())
    number = number if number >= 0 else _NUMBERS.get(rule.call, -1)
    if number < 0:
        return  # this architecture has no such call
    tests = b"".join(map(_comparison, rule.arguments))
    action = ctypes.c_uint32(_ACT_ERRNO | rule.errno)
    result = library.seccomp_rule_add_array(context, action, number, len(rule.arguments), tests)
    _check(result, f"seccomp_rule_add {rule.call}")


def _comparison(test: Argument) -> bytes:
    """Give it as struct scmp_arg_cmp."""
    data = (test.mask, test.value) if test.compare is Compare.MASKED else (test.value, 0)
    return struct.pack("IiQQ", test.index, test.compare, *data)


def _export(library: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, fd), "seccomp_export_bpf")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _check(result: int, call: str) -> None:
    if result < 0:
        raise OSError(-result, f"{call}: {os.strerror(-result)}")


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        text = f"{LIBRARY} cannot be loaded"
        raise FeatureMissing(text, hint=FIX) from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_char_p,
    ]
    return library
