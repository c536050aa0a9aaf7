"""Engine and doors: started, and started again when they end."""

import time
from collections.abc import Callable

from engine.keeper.loop import Loop, log

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
_STEADY_SECONDS = 10.0


class Child:
    """A program that is to run as long as the keeper does."""

    def __init__(self, name: str, loop: Loop, start: Callable[[], int]) -> None:
        """Take the function that starts it and gives its pid; nothing runs yet."""
        self.name = name
        self.pid = 0
        self.is_wanted = True
        self._loop = loop
        self._start = start
        self._delay = self._started_at = 0.0

    def start(self) -> None:
        """Start it if it is wanted; try again later where that fails."""
        if self.is_wanted:
            self._started_at = time.monotonic()
            try:
                self.pid = self._start()
            except OSError as error:
                self.ended(f"not started: {error}")

    def ended(self, how: str) -> None:
        """Note that it ended, and start it again: at once the first time, then ever later."""
        self.pid = 0
        if self.is_wanted:
            log(f"{self.name} ended ({how}); it is started again")
            if time.monotonic() - self._started_at >= _STEADY_SECONDS:
                self._delay = 0.0
            self._loop.after(self._delay, self.start)
            self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
