"""Where the engine's own log lines go."""

from __future__ import annotations

import logging
import logging.handlers
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 5 * 1024 * 1024
"""Size of `engine.log` at which it becomes `engine.log.1`, of which there is one."""

_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}


def start_logging(folder: Path) -> None:
    """Write log lines to `engine.log`, those of RUST_LOG's level and above (default: info)."""
    handler = logging.handlers.RotatingFileHandler(
        folder / "engine.log", maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level_of(os.environ.get("RUST_LOG", "")))
    # Its warnings are about single requests of clients.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def level_of(text: str) -> int:
    """Read the level of RUST_LOG: a word, or the first of `target=level` parts; info without."""
    for part in text.split(","):
        level = _LEVELS.get(part.rpartition("=")[2].strip().lower())
        if level is not None:
            return level
    return logging.INFO
