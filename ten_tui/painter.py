"""From Textual's updates to the terminal: through the frame, at the pace the terminal takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual._compositor import ChopsUpdate, LayoutUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.geometry import Size

    from ten_tui.driver import ConsoleDriver
    from ten_tui.frame import Frame

_RETRY_SECONDS = 0.02
_BYTES_PER_SECOND = 14_000
"""What a flooded log may cost; single frames may be larger, then fewer come."""

_LEAST_INTERVAL, _MOST_INTERVAL = 0.125, 0.6
_SYNC_BEGIN, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"


class Painter:
    """Writes frames while the terminal takes them; those it would not take are left out."""

    def __init__(
        self,
        frame: Frame,
        driver: ConsoleDriver,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """Take the frame, the terminal, and what calls back after a time."""
        self._frame = frame
        self._driver = driver
        self._later = later
        self._is_waiting = False
        self._is_synced = False
        self._frame_bytes: list[tuple[float, int]] = []

    def resize(self, size: Size) -> None:
        """Take the terminal's size and forget what it shows."""
        self._frame.resize(size.width, size.height)

    def forget(self) -> None:
        """Write all again, whatever the terminal shows."""
        self._frame.invalidate()
        self._write()

    def take(self, update: object, size: Size, *, is_synced: bool) -> None:
        """Note what Textual would have written, and write what differs."""
        if (self._frame.width, self._frame.height) != size:
            self.resize(size)
        self._is_synced = is_synced
        if isinstance(update, LayoutUpdate):
            self._take_layout(update)
        elif isinstance(update, ChopsUpdate):
            self._take_chops(update)
        self._write()

    def _take_layout(self, update: LayoutUpdate) -> None:
        x, y = update.region.x, update.region.y
        for row, strips in enumerate(update.strips):
            self._frame.put(x, y + row, (part for strip in strips for part in strip))

    def _take_chops(self, update: ChopsUpdate) -> None:
        for y, left, right in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is None or x >= right or end <= left:
                    continue
                self._frame.put(x, y, strip if end <= right else strip.crop(0, right - x))

    def _write(self) -> None:
        if self._driver.is_busy:
            if not self._is_waiting:
                self._is_waiting = True
                self._later(_RETRY_SECONDS, self._retry)
            return
        codes = self._frame.flush()
        if codes:
            if self._is_synced:
                codes = f"{_SYNC_BEGIN}{codes}{_SYNC_END}"
            self._driver.write(codes)
            self._frame_bytes.append((time.monotonic(), len(codes)))
            del self._frame_bytes[:-16]

    def _retry(self) -> None:
        self._is_waiting = False
        self._write()

    def log_interval(self) -> float:
        """Give the seconds between two windows of a log at which the budget holds."""
        now = time.monotonic()
        recent = [size for at, size in self._frame_bytes if now - at < 2.0]
        if not recent:
            return _LEAST_INTERVAL
        wanted = sum(recent) / len(recent) / _BYTES_PER_SECOND
        return max(_LEAST_INTERVAL, min(_MOST_INTERVAL, wanted))
