"""What the link's threads tell the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from engine.core.errors import TenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.wire import LogWindow
    from ten_tui.store.logs import LogQuery
    from ten_tui.store.view import LinkState


class FromLink(Message):
    """Something a link says.

    Attributes:
        place: Of the host it leads to.
    """

    place = 0


class StreamArrived(FromLink):
    """Updates wait in the link's queue."""

    def can_replace(self, message: Message) -> bool:
        """One of these is enough for a host."""
        return isinstance(message, StreamArrived) and message.place == self.place


class LinkChanged(FromLink):
    """The link came or went."""

    def __init__(self, state: LinkState, reason: str = "", retry_at: float = 0.0) -> None:
        """Say how it is."""
        super().__init__()
        self.state = state
        self.reason = reason
        self.retry_at = retry_at


class LinkMeasured(FromLink):
    """How long a question took."""

    def __init__(self, trip_ms: float) -> None:
        """Keep the time."""
        super().__init__()
        self.trip_ms = trip_ms


class TailArrived(FromLink):
    """The end of a log, as it was asked for."""

    def __init__(self, query: LogQuery, window: LogWindow, *, is_following: bool) -> None:
        """Keep what was asked with the answer."""
        super().__init__()
        self.query = query
        self.window = window
        self.is_following = is_following


class Done(FromLink):
    """Something asked for is answered, or failed."""

    def __init__(self, then: Callable[[object, TenError | None], None], value: object) -> None:
        """Keep what is to be done with it."""
        super().__init__()
        self.then = then
        self.value = None if isinstance(value, TenError) else value
        self.error = value if isinstance(value, TenError) else None
