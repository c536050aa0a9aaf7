"""`ten doctor` from the engine's point of view, for the console."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.runtime.doctor.examine import examine
from engine.runtime.doctor.scope import Scope

if TYPE_CHECKING:
    from pathlib import Path

    from engine.core.doctor import Report
    from engine.daemon.registry import Registry

FRESH_SECONDS = 5.0
"""A report this young is given again: trying things out costs processes."""


class Doctor:
    """Examines the host, one examination at a time, in a worker thread."""

    def __init__(self, registry: Registry, data_dir: Path, port: int) -> None:
        """Take the configuration in force and what this engine was given."""
        self._registry = registry
        self._data_dir = str(data_dir)
        self._port = port
        self._busy = asyncio.Lock()
        self._latest: tuple[float, Report] | None = None

    async def examine(self) -> Report:
        """Look at everything, or give what was found a moment ago."""
        async with self._busy:
            if self._latest is not None and time.monotonic() - self._latest[0] < FRESH_SECONDS:
                return self._latest[1]
            scope = Scope(self._registry.config, self._data_dir, port=self._port, is_engine=True)
            report = await asyncio.to_thread(examine, scope)
            self._latest = time.monotonic(), report
            return report
