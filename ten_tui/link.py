"""The link to the engine: threads that wait for it, and messages to the app.

The client is synchronous and runs in threads of its own, never on Textual's loop: one for the
stream of updates, one for the log in view, two for whatever is asked besides.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.errors import EngineUnreachable, NotFound, TenError
from engine.core.wire import LogWindow, Snapshot
from ten_tui.messages import Done, LinkChanged, LinkMeasured, StreamArrived, TailArrived
from ten_tui.store.view import LinkState

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.wire import Update
    from ten_tui.asking import Client
    from ten_tui.messages import FromLink
    from ten_tui.store.logs import LogQuery, Page

RETRY_LEAST, RETRY_MOST = 0.2, 5.0
_WAIT_SECONDS = 1.0
_PAUSED_SECONDS = 0.5
_WORKERS = 2


@dataclass(frozen=True)
class LogWish:
    """Which end of which log is in view."""

    query: LogQuery
    count: int
    is_following: bool


class Link:
    """The threads."""

    def __init__(self, connect: Callable[[], Client], post: Callable[[FromLink], object]) -> None:
        """Take what makes a client, and where messages go."""
        self._connect = connect
        self._post = post
        self._updates: deque[Update] = deque()
        self._is_posted = False
        self._lock = threading.Lock()
        self._wished = threading.Condition()
        self._wish: LogWish | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._retry_now = threading.Event()
        self._streaming: Client | None = None
        self._feeding: Client | None = None
        self._threads: list[threading.Thread] = []
        self._window_seen: LogWindow | None = None
        self.log_interval = 0.125
        """Seconds between two windows of a log that is flooded; the app sets it by its budget."""

    def start(self) -> None:
        """Start the threads."""
        targets = [self._stream, self._feed, *[self._work] * _WORKERS]
        for target in targets:
            thread = threading.Thread(target=target, name=f"link{target.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Let the threads go; those that wait are woken."""
        self._closed.set()
        self._retry_now.set()
        with self._wished:
            self._wished.notify_all()
        for _ in range(_WORKERS):
            self._jobs.put(None)
        for client in (self._streaming, self._feeding):
            if client is not None:
                client.close()

    def join(self, within_seconds: float) -> None:
        """Wait until the threads have gone."""
        until = time.monotonic() + within_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def take_updates(self) -> list[Update]:
        """Take what arrived since the last time; an older snapshot's updates are left out."""
        with self._lock:
            updates = list(self._updates)
            self._updates.clear()
            self._is_posted = False
        newest = max(
            (place for place, one in enumerate(updates) if isinstance(one, Snapshot)), default=0
        )
        return updates[newest:]

    def retry(self) -> None:
        """Try again at once."""
        self._retry_now.set()

    def ask(
        self,
        job: Callable[[Client], object],
        then: Callable[[object, TenError | None], None],
    ) -> None:
        """Have something asked; `then` gets the answer, or the error, on the app's loop."""
        self._jobs.put((job, then))

    def watch_log(self, wish: LogWish | None) -> None:
        """Have the end of a log fetched whenever it moves."""
        with self._wished:
            if wish == self._wish:
                return
            is_other = _needs_now(self._wish, wish)
            self._wish = wish
            self._wished.notify_all()
            feeding = self._feeding
        if is_other and feeding is not None:
            # A long poll for what is no longer in view must not delay the next.
            feeding.close()

    def fetch_page(self, client: Client, page: Page) -> LogWindow:
        """Read lines before or after those in view."""
        query = page.query
        if not page.is_backward:
            return self._window(client, query, first=page.first, count=page.count)
        if query.text:
            matches = client.log_search(
                query.name,
                text=query.text,
                first=page.first - 1,
                is_backward=True,
                limit=max(1, page.count // (2 * query.context + 1)),
                context=query.context,
            )
            lines = sorted(matches.lines, key=lambda line: line.number)
            return LogWindow(name=query.name, oldest=0, end=0, lines=lines)
        first = max(0, page.first - page.count)
        return self._window(client, query, first=first, count=page.first - first)

    @staticmethod
    def _window(client: Client, query: LogQuery, *, first: int | None, count: int) -> LogWindow:
        return client.log_window(
            query.name,
            first=first,
            count=count,
            stream=query.stream,
            text=query.text,
            since_ns=query.since_ns,
            until_ns=query.until_ns,
            context=query.context,
        )

    # --- threads ---

    def _stream(self) -> None:
        delay = RETRY_LEAST
        while not self._closed.is_set():
            reason = "engine gone"
            try:
                with closing(self._connect()) as client:
                    self._streaming = client
                    if self._read_stream(client):
                        delay = RETRY_LEAST
            except (TenError, OSError) as error:
                reason = _reason(error)
            if self._closed.is_set():
                return
            until = time.monotonic() + delay
            self._post(LinkChanged(LinkState.LOST, reason, until))
            self._retry_now.wait(delay)
            self._retry_now.clear()
            delay = min(RETRY_MOST, delay * 1.6)

    def _read_stream(self, client: Client) -> bool:
        """Pass updates on until the stream ends; tells whether there was any."""
        is_live = False
        try:
            for update in client.stream():
                if isinstance(update, Snapshot):
                    is_live = True
                    self._post(LinkChanged(LinkState.LIVE))
                self._enqueue(update)
                if self._closed.is_set():
                    break
        except (TenError, OSError):
            if not is_live:
                raise
        return is_live

    def _enqueue(self, update: Update) -> None:
        with self._lock:
            self._updates.append(update)
            is_first, self._is_posted = not self._is_posted, True
        if is_first:
            self._post(StreamArrived())

    def _feed(self) -> None:
        try:
            self._feed_on()
        finally:
            self._drop_feeding()

    def _drop_feeding(self) -> None:
        if self._feeding is not None:
            self._feeding.close()
            self._feeding = None

    def _feed_on(self) -> None:
        wish: LogWish | None = None
        end: int | None = None
        while not self._closed.is_set():
            with self._wished:
                while self._wish is None and not self._closed.is_set():
                    self._wished.wait()
                if wish != self._wish:
                    end = self._window_seen = None
                wish = self._wish
            if wish is None or self._closed.is_set():
                continue
            end = self._feed_once(wish, end)
            with self._wished:
                if self._wish == wish:
                    pause = self.log_interval if wish.is_following else _PAUSED_SECONDS
                    self._wished.wait(pause)

    def _feed_once(self, wish: LogWish, end: int | None) -> int | None:
        """Fetch one window, waiting for lines past `end`; give the new end."""
        query = wish.query
        try:
            if self._feeding is None:
                self._feeding = self._connect()
            begun = time.monotonic()
            window = self._feeding.log_window(
                query.name,
                count=wish.count if wish.is_following else 1,
                stream=query.stream if wish.is_following else "",
                text=query.text if wish.is_following else "",
                since_ns=query.since_ns if wish.is_following else 0,
                until_ns=query.until_ns if wish.is_following else 0,
                context=query.context if wish.is_following else 0,
                wait_end=end,
                wait_seconds=_WAIT_SECONDS if end is not None else 0.0,
            )
        except NotFound:
            window = LogWindow(name=query.name, oldest=0, end=0, lines=[])
            self._post(TailArrived(query, window, is_following=wish.is_following))
            self._pause(1.0, wish)
            return None
        except (TenError, OSError):
            self._drop_feeding()
            if self._wish == wish:
                self._pause(0.5, wish)
            return None
        if end is None:
            self._post(LinkMeasured((time.monotonic() - begun) * 1e3))
        if window != self._window_seen:
            # An unended last line changes without moving the end.
            self._window_seen = window
            self._post(TailArrived(query, window, is_following=wish.is_following))
        return window.end

    def _pause(self, seconds: float, wish: LogWish) -> None:
        with self._wished:
            if self._wish == wish and not self._closed.is_set():
                self._wished.wait(seconds)

    def _work(self) -> None:
        while (asked := self._jobs.get()) is not None:
            try:
                with closing(self._connect()) as client:
                    if not self._work_with(client, asked):
                        return
            except (TenError, OSError) as error:
                self._post(Done(asked[1], _as_unreachable(error)))

    def _work_with(self, client: Client, asked: _Job | None) -> bool:
        """Ask one thing after the other; tells whether to go on with another client."""
        while asked is not None:
            job, then = asked
            try:
                self._post(Done(then, job(client)))
            except (EngineUnreachable, OSError) as error:
                self._post(Done(then, _as_unreachable(error)))
                return True
            except TenError as error:
                self._post(Done(then, error))
            asked = self._jobs.get()
        return False


_Job = tuple["Callable[[Client], object]", "Callable[[object, TenError | None], None]"]


def _reason(error: Exception) -> str:
    return "engine gone" if isinstance(error, EngineUnreachable | OSError) else str(error)


def _as_unreachable(error: Exception) -> TenError:
    return error if isinstance(error, TenError) else EngineUnreachable(str(error))


def _needs_now(old: LogWish | None, new: LogWish | None) -> bool:
    """Tell whether a view needs lines that the poll under way will not bring: others, or more."""
    if old is None or new is None:
        return old is not new
    return new.query != old.query or new.count > old.count
