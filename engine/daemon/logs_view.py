"""Rings as the API asks for them: windows, searches, the newest lines, raw bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.daemon.log_search import Search
from engine.daemon.ring import line_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from engine.core.wire import LogMatches, LogWindow
    from engine.daemon.feeds import Feeds
    from engine.daemon.registry import Registry
    from engine.daemon.ring import Ring

SEARCH_SECONDS = 0.25
"""How long one call searches; the caller goes on from where it ended."""


class LogsView:
    """Reads rings without holding up the loop."""

    def __init__(self, feeds: Feeds, registry: Registry) -> None:
        """Take where rings are, and who may have one."""
        self._feeds = feeds
        self._registry = registry

    def names(self) -> list[str]:
        """See `Control.log_names`."""
        return self._feeds.rings.names()

    async def window(
        self,
        name: str,
        *,
        first: int | None,
        count: int,
        stream: str,
        text: str,
        since_ns: int,
        until_ns: int,
    ) -> LogWindow:
        """See `Control.log_window`."""
        ring = self._ring(name)
        wanted = line_filter(stream=stream, text=text, since_ns=since_ns, until_ns=until_ns)
        if wanted.is_all:
            return await asyncio.to_thread(ring.window, first, count)
        search = ring.filtered(wanted, first, count)
        await search.run(SEARCH_SECONDS)
        return ring.filtered_window(search)

    async def search(
        self,
        name: str,
        *,
        text: str,
        first: int,
        is_backward: bool,
        is_regex: bool,
        limit: int,
    ) -> LogMatches:
        """See `Control.log_search`."""
        ring = self._ring(name)
        wanted = line_filter(text=text, is_regex=is_regex)
        search = Search(ring, wanted, first, is_backward=is_backward, limit=limit)
        await search.run(SEARCH_SECONDS)
        return search.matches()

    async def wait(self, name: str, end: int, timeout_seconds: float) -> None:
        """See `Control.log_wait`."""
        self._ring(name)  # from now on there is one, also where nothing was written yet
        await self._feeds.pump.wait(name, end, timeout_seconds)

    def raw(self, name: str) -> AsyncIterator[bytes]:
        """See `Control.log_raw`."""
        return _in_thread(self._ring(name).raw())

    def _ring(self, name: str) -> Ring:
        """Give a ring; that of a known instance which wrote nothing yet is empty.

        Raises:
            NotFound: No ring of that name.
        """
        rings = self._feeds.rings
        return rings.ring(name) if name in self._registry.instances else rings.find(name)


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Take each piece in a worker thread, as it is asked for."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
