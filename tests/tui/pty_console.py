"""The console in a real terminal: a pty that can stop reading, hang up and be looked at."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Self

import pyte

ROOT = Path(__file__).parents[2]


class Terminal:
    """A terminal with one program in it. Every byte it wrote is kept."""

    def __init__(self, argv: list[str], size: tuple[int, int] = (100, 30), **environ: str) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.written = bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ.update({"TERM": "xterm-256color", **environ})
            for name in ("TMUX", "COLORTERM", "NO_COLOR", "TEN_THEME"):
                if name not in environ:
                    os.environ.pop(name, None)
            os.execv(sys.executable, [sys.executable, *argv])
        self.resize(*size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        if not self.wait_gone(0.5):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, seconds: float) -> None:
        """Take what is written for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                return
            self.written += data
            self._stream.feed(data)

    def until(self, text: str, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < end, f"{text!r} does not show\n{self.text}"
            self.read(0.05)

    def until_gone(self, text: str, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while text in self.text:
            assert time.monotonic() < end, f"{text!r} still shows\n{self.text}"
            self.read(0.05)

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def hang_up(self) -> None:
        os.close(self.fd)
        self.fd = -1

    def wait_gone(self, seconds: float) -> bool:
        """Wait for the program's end; tells whether it came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                pid, _ = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid:
                return True
            time.sleep(0.02)
        return False

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
