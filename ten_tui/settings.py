"""What the console remembers between two runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ten_tui.theme import default_theme

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """The file's content."""

    theme: str = ""
    is_greeted: bool = False


def _path(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local/state")
    return Path(home) / "ten" / "console.json"


def load(environ: Mapping[str, str] = os.environ) -> Kept:
    """Read what was kept; nothing where it is missing or broken."""
    try:
        return msgspec.json.decode(_path(environ).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return Kept()


def theme_name(environ: Mapping[str, str] = os.environ) -> str:
    """Give the theme to begin with: asked for, kept, or the terminal's."""
    if environ.get("TEN_THEME") or environ.get("NO_COLOR"):
        return default_theme(environ)
    return load(environ).theme or default_theme(environ)


def keep_theme(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Remember the theme; tells whether that was possible."""
    return _keep(msgspec.structs.replace(load(environ), theme=name), environ)


def greet(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the user is here for the first time, and remember that it was said.

    Where nothing can be remembered nobody is greeted: it would be every time.
    """
    kept = load(environ)
    if kept.is_greeted or _path(environ).exists():
        return False
    return _keep(msgspec.structs.replace(kept, is_greeted=True), environ)


def _keep(kept: Kept, environ: Mapping[str, str]) -> bool:
    path = _path(environ)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(kept))
        new.replace(path)
    except OSError:
        return False
    return True
