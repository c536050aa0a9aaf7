"""Themes: data files that give each role of ink and ground a colour.

A theme is a TOML file, see `themes/`. Widgets ask for "text on base" and never for a colour, so
that a theme cannot be forgotten anywhere, and a contrast test can go over all pairs.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import TenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_DARK = "dusk"
DEFAULT_ANSI = "ansi"
DEFAULT_MONO = "mono"

ANSI_NAMES = (
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    *(f"bright_{name}" for name in ("black", "red", "green", "yellow")),
    *(f"bright_{name}" for name in ("blue", "magenta", "cyan", "white")),
)
_COLOUR = re.compile(r"#[0-9a-f]{6}\Z")


class Ink(StrEnum):
    """What a piece of text is, for its foreground."""

    TEXT = "text"
    DIM = "dim"
    FAINT = "faint"
    ACCENT = "accent"
    OK = "ok"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    COLD = "cold"


class Ground(StrEnum):
    """Where a piece of text lies, for its background."""

    BASE = "base"
    SIDE = "side"
    RAISED = "raised"
    SELECT = "select"
    QUIET = "quiet"
    OVERLAY = "overlay"
    MATCH = "match"


class ThemeError(TenError):
    """A theme file cannot be used; the text says which and why."""


class Surface(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A background.

    Attributes:
        colour: Its colour.
        ink: The one colour of every text on it, "" where the inks keep theirs.
        reverse: Drawn by exchanging the terminal's own two colours.
    """

    colour: str = "default"
    ink: str = ""
    reverse: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    dark: bool
    ramp: tuple[str, ...]
    ink: dict[Ink, str]
    ground: dict[Ground, str | Surface]
    ansi: bool = False


@dataclass(frozen=True)
class Theme:
    """One theme, checked and complete.

    Attributes:
        name: The file's name without its suffix.
        label: What the picker shows.
        is_dark: Made for a dark surrounding.
        is_ansi: Uses the terminal's own sixteen colours.
        ramp: Colours of a graph from its foot to its top.
    """

    name: str
    label: str
    is_dark: bool
    is_ansi: bool
    ink: Mapping[Ink, str]
    ground: Mapping[Ground, Surface]
    ramp: tuple[str, ...]


LAST_RESORT = Theme(
    name="none",
    label="No theme file",
    is_dark=True,
    is_ansi=True,
    ink=dict.fromkeys(Ink, "default"),
    ground={
        role: Surface(reverse=role in {Ground.SELECT, Ground.QUIET, Ground.MATCH})
        for role in Ground
    },
    ramp=("default",),
)
"""What is drawn with where no theme file can be read."""


@dataclass(frozen=True)
class ThemeSet:
    """Every theme found, and what was wrong with the rest."""

    themes: Mapping[str, Theme]
    errors: tuple[str, ...]


def parse_theme(name: str, text: str) -> Theme:
    """Read one theme.

    Raises:
        ThemeError: Not TOML, a role missing or unknown, or no colour.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        message = f"theme {name}: {error}"
        raise ThemeError(message) from error
    missing: list[str] = [role for role in Ink if role not in file.ink]
    missing.extend(role for role in Ground if role not in file.ground)
    if missing or not file.ramp:
        message = f"theme {name}: no colour for {', '.join(missing) or 'ramp'}"
        raise ThemeError(message)
    ground = {
        role: surface if isinstance(surface, Surface) else Surface(surface)
        for role, surface in file.ground.items()
    }
    for colour in _colours(file, ground.values()):
        if colour not in ANSI_NAMES and colour != "default" and not _COLOUR.match(colour):
            message = f'theme {name}: "{colour}" is no colour; use "#rrggbb" or a terminal colour'
            raise ThemeError(message)
    return Theme(name, file.label, file.dark, file.ansi, file.ink, ground, file.ramp)


def _colours(file: _File, surfaces: Iterable[Surface]) -> list[str]:
    found = [*file.ink.values(), *file.ramp]
    for surface in surfaces:
        found.append(surface.colour)
        if surface.ink:
            found.append(surface.ink)
    return found


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the folder of the user's own settings and themes."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    return Path(home) / "ten"


def theme_dirs(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """List where themes lie, the user's own last so that they win."""
    package = Path(__file__).parent
    shipped = package / "_themes"
    if not shipped.is_dir():
        shipped = package.parent / "themes"
    return [shipped, config_dir(environ) / "themes"]


def load_themes(dirs: Iterable[Path] | None = None) -> ThemeSet:
    """Read every theme of the directories; a broken file is reported and never fatal."""
    themes: dict[str, Theme] = {}
    errors: list[str] = []
    for folder in theme_dirs() if dirs is None else dirs:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
            try:
                themes[path.stem] = parse_theme(path.stem, path.read_text("utf-8"))
            except (ThemeError, OSError, UnicodeDecodeError) as error:
                errors.append(str(error) if isinstance(error, ThemeError) else f"{path}: {error}")
    return ThemeSet(themes, tuple(errors))


def stamp(dirs: Iterable[Path] | None = None) -> tuple[tuple[str, int, int], ...]:
    """Describe the files as they are, so that a change is seen by comparing."""
    found = []
    for folder in theme_dirs() if dirs is None else dirs:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


def default_theme(environ: Mapping[str, str]) -> str:
    """Choose a theme for a terminal: its own colours unless it is known to have many."""
    if environ.get("TEN_THEME"):
        return environ["TEN_THEME"]
    if environ.get("NO_COLOR"):
        return DEFAULT_MONO
    term = environ.get("TERM", "")
    many = ("256color", "direct", "kitty", "alacritty", "foot", "ghostty", "wezterm")
    if environ.get("COLORTERM") in {"truecolor", "24bit"} or any(word in term for word in many):
        return DEFAULT_DARK
    return DEFAULT_ANSI
