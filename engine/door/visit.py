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
        status: Of the answer, 0 while there is none.
    """

    __slots__ = ("_last", "backend", "begun_at", "status")

    def __init__(self) -> None:
        """Begin nowhere."""
        self.backend: Backend | None = None
        self.begun_at = 0.0
        self.status = 0
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

    def answered(self, now: float, status: int) -> None:
        """Count the head of an answer, or what is said in place of one, where it was last."""
        self.status = status
        if self._last is not None:
            ms = (now - self.begun_at) * 1000.0
            self._last.traffic.answered(ms, status=status)

    def cut(self) -> None:
        """Count that an answer broke off."""
        if self.backend is not None:
            self.backend.traffic.failed()

    def give_up(self) -> None:
        """Take it that the client has gone; its instance did nothing wrong."""

    def carry_in(self, size: int) -> None:
        """Count bytes of a request's body."""
        if self.backend is not None:
            self.backend.traffic.carried_in(size)

    def carry_out(self, size: int) -> None:
        """Count bytes of an answer's body."""
        if self.backend is not None:
            self.backend.traffic.carried_out(size)
