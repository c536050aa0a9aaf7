"""The configuration in force: read from the file, remembered for when the file is broken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import SpecError
from engine.core.spec import Config
from engine.daemon.config_file import read_config
from engine.daemon.store import StoreError
from engine.runtime.host import admit

if TYPE_CHECKING:
    from pathlib import Path

    from engine.daemon.store import Store

log = logging.getLogger(__name__)

_KEY = "config in force"


class Force:
    """Reads the file, and keeps the last good one in the database.

    So an engine that is started again while the file is broken goes on as the one before did.

    Attributes:
        config: In force at the start.
        error: Why the file on disk is refused, None where it is in force.
    """

    def __init__(self, store: Store, path: str, data_dir: Path) -> None:
        """Read the file, or take the last good one.

        Raises:
            SpecError: The file is refused and there was never a good one.
        """
        self._store = store
        self._path = path
        self._data_dir = str(data_dir)
        self.error: SpecError | None = None
        try:
            self.config = self.read(is_tried=False)  # `serve` has tried it, or it ran before
            self.remember(self.config)
        except SpecError as error:
            kept = self._recall()
            if kept is None:
                raise
            log.warning("the configuration is refused, the last good one is in force: %s", error)
            self.config, self.error = kept, error

    def read(self, *, is_tried: bool = True) -> Config:
        """Read the file now, and see whether this host can give what it asks for.

        Args:
            is_tried: Also try things out; see `engine.runtime.host`.

        Raises:
            SpecError: It is refused.
        """
        config = read_config(self._path)
        # What was found out of this host is remembered in the directory this engine works in.
        admitted = admit(self.applied(config), is_tried=is_tried)
        return msgspec.structs.replace(admitted, settings=config.settings)

    def applied(self, config: Config) -> Config:
        """Give a configuration as it is in force: in the directory this engine works in."""
        settings = msgspec.structs.replace(config.settings, data_dir=self._data_dir)
        return msgspec.structs.replace(config, settings=settings)

    def remember(self, config: Config) -> None:
        """Keep a good configuration for the next engine; where the disk is full, it is not kept."""
        text = msgspec.json.encode(config).decode()
        try:
            if self._store.get(_KEY) != text:
                self._store.put(_KEY, text)
        except StoreError as error:
            log.error("the configuration is not kept: %s", error)

    def _recall(self) -> Config | None:
        text = self._store.get(_KEY)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=Config)
        except msgspec.DecodeError:
            return None
