"""From roles to the styles that Rich draws with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color, ColorParseError
from rich.style import Style

from ten_tui.theme import Ground, Ink

if TYPE_CHECKING:
    from ten_tui.theme import Theme

_BANNER = {
    "red": "#b3363f",
    "orange": "#b0601f",
    "yellow": "#8f7413",
    "green": "#2f7d43",
    "blue": "#2f63b0",
    "purple": "#7a45a8",
    "magenta": "#9c3a86",
    "cyan": "#1f7480",
    "grey": "#5a5f69",
    "gray": "#5a5f69",
}


class Palette:
    """A theme's styles, made once each.

    Attributes:
        is_grey: What is shown is not of now: every ink is drawn faint.
    """

    def __init__(self, theme: Theme, *, is_grey: bool = False) -> None:
        """Take a theme, in full colour or as a memory of it."""
        self.theme = theme
        self.is_grey = is_grey
        self._styles: dict[tuple[Ink, Ground, bool], Style] = {}
        self._ramps: dict[Ground, list[Style]] = {}

    def style(self, ink: Ink, ground: Ground = Ground.BASE, *, is_bold: bool = False) -> Style:
        """Give the style of an ink on a ground."""
        key = (ink, ground, is_bold)
        style = self._styles.get(key)
        if style is None:
            style = self._styles[key] = self._make(ink, ground, is_bold)
        return style

    def _make(self, ink: Ink, ground: Ground, is_bold: bool) -> Style:
        surface = self.theme.ground[ground]
        if self.is_grey:
            ink, is_bold = Ink.DIM if ink is Ink.TEXT else Ink.FAINT, False
        colour = surface.ink or self.theme.ink[ink]
        return Style(
            color=colour,
            bgcolor=surface.colour,
            bold=is_bold or None,
            reverse=surface.reverse or None,
        )

    def ramp(self, share: float, ground: Ground) -> Style:
        """Give the colour of a graph at a share of its height, 0 to 1."""
        styles = self._ramps.get(ground)
        if styles is None:
            surface = self.theme.ground[ground].colour
            grey = self.theme.ink[Ink.FAINT]
            styles = self._ramps[ground] = [
                Style(color=grey if self.is_grey else colour, bgcolor=surface)
                for colour in self.theme.ramp
            ]
        return styles[max(0, min(len(styles) - 1, int(share * len(styles))))]

    def banner(self, colour: str) -> Style:
        """Give the engine's own colour, by the name or "#rrggbb" of its configuration."""
        if self.is_grey or self.theme.ink[Ink.ACCENT] == "default":
            return Style(bold=True, reverse=True)
        if self.theme.is_ansi:
            name = colour if colour in {"red", "green", "yellow", "blue", "magenta"} else "cyan"
            ink = "white" if name in {"red", "blue", "magenta"} else "black"
            return Style(color=ink, bgcolor=name, bold=True)
        value = _BANNER.get(colour, colour)
        try:
            triplet = Color.parse(value).get_truecolor() if value else None
        except ColorParseError:
            triplet = None
        if triplet is None:
            return self.style(Ink.ACCENT, Ground.SELECT, is_bold=True)
        light = 0.299 * triplet.red + 0.587 * triplet.green + 0.114 * triplet.blue > 140
        return Style(color="#101010" if light else "#ffffff", bgcolor=triplet.hex, bold=True)
