"""The keeper's event loop: descriptors, timers and signals, on one thread."""

import contextlib
import heapq
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable


def log(text: str) -> None:
    """Write a line for the service manager's journal or the terminal."""
    with contextlib.suppress(OSError, ValueError):
        print(f"ten: {text}", file=sys.stderr, flush=True)  # noqa: T201 - there is no other log


class Loop:
    """Calls back when a descriptor is ready, a timer is due or a signal came.

    An exception of a callback is logged and ends nothing: the keeper has to live.
    """

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        """Route the signals the keeper answers through a pipe into the loop."""
        self.is_running = True
        self._on_signal = on_signal
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wake, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.watch(self._wake, self._take_signals)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back while fd is readable; replaces what was asked for it before."""
        self.unwatch(fd)
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd: int) -> None:
        """Forget fd; must come before it is closed."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once, later. It cannot be taken back: the callback checks whether it counts."""
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, callback))

    def stop(self) -> None:
        """Leave `run`."""
        self.is_running = False

    def run(self) -> None:
        """Serve until `is_running` is False."""
        while self.is_running:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(timeout):
                if self._selector.get_map().get(key.fd) is key:  # not ended by one before it
                    self._call(key.data)
            while self._timers and self._timers[0][0] <= time.monotonic():
                self._call(heapq.heappop(self._timers)[2])

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - see the class
            log(f"{type(error).__name__}: {error}")

    def _take_signals(self) -> None:
        # SIGCHLD, the highest of them, last: what is asked for is known before what has ended.
        for number in sorted(set(os.read(self._wake, 4096))):
            self._on_signal(number)
