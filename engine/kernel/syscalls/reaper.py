"""PID 1 of an instance's namespace as a native program of some hundred bytes.

A Python process that only waits keeps 1.5 MB of pages for itself; this keeps two. There is no
compiler on the hosts this runs on and nothing to be installed, so the program is written down
here instruction by instruction, beside what it says in assembly. On other processors, where the
kernel does not let it be executed, and with TEN_REAPER=python in the environment (watchers of
some hosts report whatever is executed from memory), `process.reap` does the same.

What it does, all signals being blocked: it reaps whoever is dead, and once the program is among
them writes its wait status to descriptor 4 and exits as it did, with 128 + n for signal n; the
kernel then ends the whole namespace. Between, it waits for signals and passes them on to the
program's process group. It allocates nothing, opens nothing and handles no signal.
"""

import contextlib
import fcntl
import os
import signal
import struct

from engine.kernel.syscalls import process

NAME = "ten-init"

STATUS_FD = 4

_BASE = 0x400000
_HEADERS_BYTES = 64 + 2 * 56
_PT_LOAD, _PT_GNU_STACK = 1, 0x6474E551
_READ, _WRITE, _EXECUTE = 4, 2, 1
_PAGE_BYTES = 0x10000  # the largest of aarch64
_MFD_EXEC = 0x10  # Linux 6.3
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

X86_64 = """
488b742410       | mov rsi, [rsp + 16]        # argv[1]: the program's pid in digits
31db             | xor ebx, ebx
                 | digit:
0fb606           | movzx eax, byte ptr [rsi]
48ffc6           | inc rsi
83e830           | sub eax, 48                # '0'; the NUL at the end becomes negative
7807             | js named
6bdb0a           | imul ebx, ebx, 10
01c3             | add ebx, eax
ebee             | jmp digit
                 | named:
b89d000000       | mov eax, 157               # prctl
bf0f000000       | mov edi, 15                # PR_SET_NAME
488d358c000000   | lea rsi, name[rip]
0f05             | syscall
                 | reap:
b83d000000       | mov eax, 61                # wait4
4883cfff         | or rdi, -1                 # any child
4889e6           | mov rsi, rsp               # its status
ba01000000       | mov edx, 1                 # WNOHANG
4531d2           | xor r10d, r10d
0f05             | syscall
39d8             | cmp eax, ebx
7434             | je ended
85c0             | test eax, eax
7fe2             | jg reap                    # an orphan; maybe more are dead
b880000000       | mov eax, 128               # rt_sigtimedwait
488d3d58000000   | lea rdi, awaited[rip]
31f6             | xor esi, esi
31d2             | xor edx, edx               # without end
41ba08000000     | mov r10d, 8
0f05             | syscall
83f811           | cmp eax, 17                # SIGCHLD
74c5             | je reap
85c0             | test eax, eax
7ec1             | jle reap                   # EINTR
89c6             | mov esi, eax
89df             | mov edi, ebx
f7df             | neg edi                    # the program's process group
b83e000000       | mov eax, 62                # kill
0f05             | syscall
ebb2             | jmp reap
                 | ended:
b801000000       | mov eax, 1                 # write
bf04000000       | mov edi, 4                 # the status pipe
4889e6           | mov rsi, rsp
ba04000000       | mov edx, 4
0f05             | syscall
8b3c24           | mov edi, [rsp]
89f8             | mov eax, edi
83e07f           | and eax, 127
7408             | jz exited
8db880000000     | lea edi, [rax + 128]       # killed by a signal
eb07             | jmp leave
                 | exited:
c1ef08           | shr edi, 8
400fb6ff         | movzx edi, dil
                 | leave:
b8e7000000       | mov eax, 231               # exit_group
0f05             | syscall
"""
"""Bytes, and the instruction they are, in Intel's notation."""

AARCH64 = """
e10b40f9         | ldr x1, [sp, 16]           # argv[1]: the program's pid in digits
13008052         | mov w19, 0
43018052         | mov w3, 10
                 | digit:
20144038         | ldrb w0, [x1], 1
00c00071         | subs w0, w0, 48            # '0'; the NUL at the end becomes negative
64000054         | b.mi named
7302031b         | madd w19, w19, w3, w0
fcffff17         | b digit
                 | named:
e81480d2         | mov x8, 167                # prctl
e00180d2         | mov x0, 15                 # PR_SET_NAME
41050010         | adr x1, name
010000d4         | svc 0
                 | reap:
882080d2         | mov x8, 260                # wait4
00008092         | mov x0, -1                 # any child
e1030091         | mov x1, sp                 # its status
220080d2         | mov x2, 1                  # WNOHANG
030080d2         | mov x3, 0
010000d4         | svc 0
1f00136b         | cmp w0, w19
40020054         | b.eq ended
1f000071         | cmp w0, 0
ecfeff54         | b.gt reap                  # an orphan; maybe more are dead
281180d2         | mov x8, 137                # rt_sigtimedwait
60030010         | adr x0, awaited
010080d2         | mov x1, 0
020080d2         | mov x2, 0                  # without end
030180d2         | mov x3, 8
010000d4         | svc 0
1f440071         | cmp w0, 17                 # SIGCHLD
e0fdff54         | b.eq reap
1f000071         | cmp w0, 0
adfdff54         | b.le reap                  # EINTR
e103002a         | mov w1, w0
e003134b         | neg w0, w19                # the program's process group
281080d2         | mov x8, 129                # kill
010000d4         | svc 0
e8ffff17         | b reap
                 | ended:
080880d2         | mov x8, 64                 # write
800080d2         | mov x0, 4                  # the status pipe
e1030091         | mov x1, sp
820080d2         | mov x2, 4
010000d4         | svc 0
e00340b9         | ldr w0, [sp]
01180072         | ands w1, w0, 127
60000054         | b.eq exited
20000211         | add w0, w1, 128            # killed by a signal
02000014         | b leave
                 | exited:
003c0853         | ubfx w0, w0, 8, 8
                 | leave:
c80b80d2         | mov x8, 94                 # exit_group
010000d4         | svc 0
"""
"""Bytes, and the instruction they are."""

_MACHINES = {"x86_64": (62, X86_64), "aarch64": (183, AARCH64)}


def awaited() -> int:
    """Give the set of signals it waits for, as the kernel takes it: bit n - 1 for signal n."""
    return sum(1 << number - 1 for number in (*process.PASSED_ON, signal.SIGCHLD))


def image(machine: str) -> bytes:
    """Make the executable file; empty where there is none for this processor.

    Source: elf(5).

    Args:
        machine: As uname(2) names it.
    """
    if machine not in _MACHINES:
        return b""
    number, rows = _MACHINES[machine]
    code = b"".join(bytes.fromhex(row.partition("|")[0]) for row in rows.strip().splitlines())
    code += struct.pack("<Q", awaited()) + NAME.encode() + b"\0"
    size = _HEADERS_BYTES + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little-endian
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, number, 1, _BASE + _HEADERS_BYTES, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    load = (_PT_LOAD, _READ | _EXECUTE, 0, _BASE, _BASE, size, size, _PAGE_BYTES)
    stack = (_PT_GNU_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16)  # or it would be executable
    return (
        ident + header + b"".join(struct.pack("<IIQQQQQQ", *each) for each in (load, stack)) + code
    )


def open_image() -> int:
    """Put the executable into memory; give its descriptor, -1 where it cannot or may not be had.

    It is sealed: an instance finds it as /proc/1/exe, and all others run it too.
    """
    data = image(os.uname().machine)
    if not data or os.environ.get("TEN_REAPER") == "python":
        return -1
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        try:
            fd = os.memfd_create(NAME, flags | _MFD_EXEC)
        except OSError:  # EINVAL before Linux 6.3; EACCES where the host forbids it
            fd = os.memfd_create(NAME, flags)
    except OSError:
        return -1
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def become(image_fd: int, main: int) -> None:
    """Go on as that program; returns where the kernel does not let us.

    Args:
        image_fd: As `open_image` gave it.
        main: The program's pid.
    """
    with contextlib.suppress(OSError):
        os.set_inheritable(STATUS_FD, True)
        os.execve(image_fd, [NAME, str(main)], {})  # noqa: S606 - no shell is what is meant
