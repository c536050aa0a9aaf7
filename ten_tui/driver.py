"""The terminal's side of the console: output that never blocks the loop, and a way out.

Textual's own writer holds 30 writes and then blocks the event loop; its input thread spins once
the terminal is gone; it asks for every movement of the mouse; it takes COLUMNS and LINES for the
size of the terminal. This driver differs in those four.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

_CLOSE_SECONDS = 1.0


class ConsoleDriver(LinuxDriver):
    """A Linux terminal that may be slow, or gone."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Open the way out."""
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._outbox = Outbox(self._file.fileno() if self._file else 2)
        if size is None:
            # What the app draws by until the first event of a size.
            self._size = self._get_terminal_size()

    @property
    def is_busy(self) -> bool:
        """Whether the terminal has not yet taken what was written."""
        return self._outbox.is_busy

    @property
    def written_bytes(self) -> int:
        """Bytes handed to the terminal so far."""
        return self._outbox.written_bytes

    @property
    def is_gone(self) -> bool:
        """Whether the terminal hung up."""
        if self._outbox.is_broken:
            return True
        poll = select.poll()
        poll.register(self.fileno, 0)
        return any(flags & (select.POLLHUP | select.POLLERR) for _, flags in poll.poll(0))

    def write(self, data: str) -> None:
        """Queue data; never waits."""
        self._outbox.put(data.encode("utf-8", "replace"))

    def _get_terminal_size(self) -> tuple[int, int]:
        """Ask the terminal itself.

        COLUMNS and LINES are what it had when a shell exported them: obeyed, they would hold the
        console at that size through every resize. They count where no terminal can be asked.
        """
        for fd in (self._file.fileno() if self._file else 2, self.fileno):
            try:
                width, height = os.get_terminal_size(fd)
            except OSError:
                continue
            if width and height:
                return width, height
        return super()._get_terminal_size()

    def _enable_mouse_support(self) -> None:
        """Ask for presses, drags and the wheel, not for every movement."""
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1002h\x1b[?1006h")

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1006l\x1b[?1002l\x1b[?1000l")

    def set_mouse(self, *, is_on: bool) -> None:
        """Give the mouse to the console, or back to the terminal so that it selects text."""
        if is_on:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def close(self) -> None:
        """Hand out what is left, for as long as the terminal takes it."""
        self._outbox.close(_CLOSE_SECONDS)
        super().close()


class Outbox:
    """Bytes on their way to a file descriptor, written by a thread of its own.

    Unbounded, and bounded by its user: a frame is only drawn while nothing is waiting.
    """

    def __init__(self, fd: int) -> None:
        """Start the thread."""
        self._fd = fd
        self._waiting: list[bytes] = []
        self._changed = threading.Condition()
        self._is_writing = False
        self._is_closed = False
        self.is_broken = False
        self.written_bytes = 0
        self._thread = threading.Thread(target=self._run, name="console-output", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether something was not yet taken."""
        return bool(self._waiting) or self._is_writing

    def put(self, data: bytes) -> None:
        """Queue bytes; dropped once the other side is gone."""
        with self._changed:
            if not self.is_broken and not self._is_closed:
                self._waiting.append(data)
                self._changed.notify()

    def close(self, within_seconds: float) -> None:
        """Stop after what is queued, or after a time."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(within_seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                data = b"".join(self._waiting)
                self._waiting.clear()
                self._is_writing = bool(data)
            if not data:
                return
            try:
                self._write(data)
            except OSError:
                # The terminal is gone; the app sees it and leaves.
                with self._changed:
                    self.is_broken = True
                    self._waiting.clear()
            self._is_writing = False

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(self._fd, rest)
            self.written_bytes += written
            rest = rest[written:]
