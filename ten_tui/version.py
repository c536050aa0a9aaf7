"""Which version this program is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """Give the version of this program."""
    try:
        return version("ten-tui")
    except PackageNotFoundError:
        return "0.1.0"
