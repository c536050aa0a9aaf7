"""One request at one instance: counted from when it is sent there until it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.door.backend import Backend


class Visit:
    """Keeps an instance's figures right, whatever becomes of the request.

    Attributes:
        backend: Where it is, None while it is nowhere.
        begun_at: When it was first sent anywhere, monotonic; 0: not yet.
    """

    __slots__ = ("_last", "backend", "begun_at")

    def __init__(self) -> None:
        """Begin nowhere."""
        self.backend: Backend | None = None
        self.begun_at = 0.0
        self._last: Backend | None = None

    def enter(self, backend: Backend, now: float) -> None:
        """Go to an instance."""
        self.backend = self._last = backend
        backend.traffic.begin(now)

    def leave(self, now: float) -> None:
        """Go from there; more than once does no harm."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.traffic.end(now)

    def answered(self, now: float, *, is_error: bool) -> None:
        """Count the head of an answer, or that there is none, where it was last."""
        if self._last is not None:
            ms = (now - self.begun_at) * 1000.0
            self._last.traffic.answered(ms, is_error=is_error)

    def cut(self) -> None:
        """Count that an answer broke off."""
        if self.backend is not None:
            self.backend.traffic.failed()

    def carry_in(self, size: int) -> None:
        """Count bytes of a request's body."""
        if self.backend is not None:
            self.backend.traffic.bytes_in += size

    def carry_out(self, size: int) -> None:
        """Count bytes of an answer's body."""
        if self.backend is not None:
            self.backend.traffic.bytes_out += size
