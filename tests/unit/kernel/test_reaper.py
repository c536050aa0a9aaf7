"""The native PID 1: its bytes are what is written beside them, and it behaves, as no PID 1 too."""

import fcntl
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from engine.kernel.syscalls import process, reaper
from tests.require import require_program

TEXTS = {
    "x86_64": (".intel_syntax noprefix\n", reaper.X86_64),
    "aarch64": ("", reaper.AARCH64),
}
HEADERS_BYTES = 64 + 2 * 56


@pytest.mark.parametrize("machine", TEXTS)
def test_bytes_are_the_instructions_beside_them(machine: str, tmp_path: Path) -> None:
    name = machine.replace("_", "-")
    assembler = require_program(f"{machine}-linux-gnu-as", f"binutils-{name}-linux-gnu")
    head, rows = TEXTS[machine]
    texts = [row.partition("|")[2].partition("#")[0] for row in rows.strip().splitlines()]
    tail = f'awaited: .quad {reaper.awaited()}\nname: .asciz "ten-init"\n'
    source, made = tmp_path / "x.s", tmp_path / "x.o"
    source.write_text(head + "\n".join(texts) + "\n" + tail)
    subprocess.run([assembler, "-o", made, source], check=True)
    assert _text_section(made.read_bytes()) == reaper.image(machine)[HEADERS_BYTES:]


def _text_section(data: bytes) -> bytes:
    """Find .text in an object file. Source: elf(5)."""
    start, size, count, names = struct.unpack_from("<Q", data, 40) + struct.unpack_from(
        "<3H", data, 58
    )
    headers = [struct.unpack_from("<IIQQQQ", data, start + i * size) for i in range(count)]
    strings = headers[names][4]
    for name, _, _, _, offset, length in headers:
        if data[strings + name :].startswith(b".text\0"):
            return data[offset : offset + length]
    raise AssertionError("no .text")


@pytest.fixture(params=TEXTS)
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Write the program to a file; give what runs it here."""
    machine = request.param
    path = tmp_path / "ten-init"
    path.write_bytes(reaper.image(machine))
    path.chmod(0o755)
    if machine == os.uname().machine:
        return [str(path)]
    return [require_program(f"qemu-{machine}", "qemu-user"), str(path)]


def start(command: list[str], script: str) -> tuple[int, int]:
    """Run a shell script below it; give its pid and where it tells the status."""
    told, status = os.pipe()

    def in_child() -> None:
        main = os.fork()
        if not main:
            os.setsid()
            process.execute("sh", ["sh", "-c", script], dict(os.environ))
        os.dup2(status, reaper.STATUS_FD)
        os.execv(command[0], [*command, str(main)])

    pid = process.fork(in_child)
    os.close(status)
    return pid, told


def end(pid: int, told: int) -> tuple[int, int]:
    """Wait for its end; give its exit code, and the wait status it told."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(told, "rb") as file:
        (status,) = struct.unpack("i", file.read())
    return code, status


@pytest.mark.parametrize(
    ("script", "code", "status"),
    [
        ("exit 0", 0, 0),
        ("exit 7", 7, 7 << 8),
        ("exit 255", 255, 255 << 8),
        ("kill -KILL $$", 128 + 9, 9),
        ("kill -TERM $$", 128 + 15, 15),
        ("for i in 1 2 3 4 5 6 7 8 9; do (true &); done; sleep 0.1; exit 3", 3, 3 << 8),
    ],
)
def test_it_ends_as_the_program_did(
    command: list[str], script: str, code: int, status: int
) -> None:
    assert end(*start(command, script)) == (code, status)


@pytest.mark.parametrize("number", sorted(process.PASSED_ON))
def test_it_passes_signals_on_to_the_group(command: list[str], number: signal.Signals) -> None:
    # The sleep hears it too, or the shell would wait for it before it runs the trap.
    script = f"trap 'kill $!; exit 5' {number.name[3:]}; touch up; sleep 100 & wait; wait; exit 6"
    folder = Path(command[-1]).parent
    pid, told = start(command, f"cd {folder}; {script}")
    deadline = time.monotonic() + 20
    while not (folder / "up").exists() or not _is_waiting(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(pid, number)
    assert end(pid, told) == (5, 5 << 8)


def _is_waiting(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text() == "ten-init\n"


def test_there_is_none_for_another_processor_or_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert reaper.image("riscv64") == b""
    monkeypatch.setenv("TEN_REAPER", "python")
    assert reaper.open_image() == -1


def test_nobody_can_change_the_image_all_instances_run() -> None:
    fd = reaper.open_image()
    try:
        assert os.pread(fd, 4096, 0) == reaper.image(os.uname().machine)
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
        with pytest.raises(PermissionError):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0)
        with open(f"/proc/self/fd/{fd}", "rb+", buffering=0) as again:  # noqa: SIM117
            with pytest.raises(PermissionError):
                again.write(b"x")
    finally:
        os.close(fd)


def test_it_comes_back_where_it_may_not_be_executed() -> None:
    def in_child() -> None:
        with open("/dev/null", "rb") as file:
            os.dup2(file.fileno(), reaper.STATUS_FD)
            reaper.become(file.fileno(), os.getpid())
        os._exit(9)

    _, status = os.waitpid(process.fork(in_child), 0)
    assert os.waitstatus_to_exitcode(status) == 9
