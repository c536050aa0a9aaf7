"""Detached work: named, referenced and never failing in silence."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

log = logging.getLogger(__name__)

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Start work that nobody waits for; its failure is logged with its name."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251 - the one place that may
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def running() -> list[str]:
    """Name what is under way."""
    return sorted(task.get_name() for task in _running)


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task %s failed", task.get_name(), exc_info=error)
