"""RUST_LOG sets the level, as the peer's users are used to."""

import logging
from pathlib import Path

import pytest

from engine.daemon.logging_setup import level_of, start_logging


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", logging.INFO),
        ("debug", logging.DEBUG),
        ("tenement=warn", logging.WARNING),
        ("nonsense", logging.INFO),
        ("x=nonsense,error", logging.ERROR),
    ],
)
def test_levels(text: str, level: int) -> None:
    assert level_of(text) == level


def test_lines_go_to_the_file(tmp_path: Path) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        start_logging(tmp_path)
        logging.getLogger("engine.x").warning("said %d", 5)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "WARNING engine.x: said 5" in (tmp_path / "engine.log").read_text()
