"""Themes: files are checked, broken ones are told of, and every ink can be read on its ground."""

from pathlib import Path

import pytest

from ten_tui.theme import (
    ANSI_NAMES,
    Ground,
    Ink,
    Theme,
    ThemeError,
    default_theme,
    load_themes,
    parse_theme,
    stamp,
    theme_dirs,
)

SHIPPED = load_themes(theme_dirs({"HOME": "/nonexistent"}))

# The sixteen colours as the Tango palette has them, a common default on light and dark.
TANGO = dict(
    zip(
        ANSI_NAMES,
        (
            *("#2e3436", "#cc0000", "#4e9a06", "#c4a000"),
            *("#3465a4", "#75507b", "#06989a", "#d3d7cf"),
            *("#555753", "#ef2929", "#8ae234", "#fce94f"),
            *("#729fcf", "#ad7fa8", "#34e2e2", "#eeeeec"),
        ),
        strict=True,
    )
)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def pairs(theme: Theme) -> list[tuple[Ink, Ground, str, str]]:
    return [
        (ink, ground, surface.ink or colour, surface.colour)
        for ink, colour in theme.ink.items()
        for ground, surface in theme.ground.items()
        if not surface.reverse
    ]


def test_there_is_a_theme_for_every_terminal() -> None:
    assert SHIPPED.errors == ()
    assert {"dusk", "paper", "ansi", "contrast", "mono"} <= SHIPPED.themes.keys()
    kinds = {(theme.is_dark, theme.is_ansi) for theme in SHIPPED.themes.values()}
    assert {(True, False), (False, False), (True, True)} <= kinds


@pytest.mark.parametrize("name", [n for n, t in SHIPPED.themes.items() if not t.is_ansi])
def test_every_ink_can_be_read_on_every_ground(name: str) -> None:
    theme = SHIPPED.themes[name]
    strict = 7.0 if name == "contrast" else 4.5
    least = {Ink.FAINT: 2.7, Ink.DIM: 4.0} if name != "contrast" else {}
    bad = {
        f"{ink} on {ground}": round(contrast(fore, back), 2)
        for ink, ground, fore, back in pairs(theme)
        if contrast(fore, back) < least.get(ink, strict if ink is Ink.TEXT else strict * 0.85)
    }
    assert bad == {}


@pytest.mark.parametrize("terminal", ["#000000", "#ffffff"])
@pytest.mark.parametrize("name", [n for n, t in SHIPPED.themes.items() if t.is_ansi])
def test_terminal_colours_can_be_read_on_light_and_on_dark(name: str, terminal: str) -> None:
    own = {"#000000": "#ffffff", "#ffffff": "#000000"}[terminal]

    def fore(colour: str) -> str:
        return own if colour == "default" else TANGO[colour]

    def back(colour: str) -> str:
        return terminal if colour == "default" else TANGO[colour]

    bad = {
        f"{ink} on {ground}": round(contrast(fore(one), back(other)), 2)
        for ink, ground, one, other in pairs(SHIPPED.themes[name])
        if contrast(fore(one), back(other)) < 2.4
    }
    assert bad == {}


def test_a_graph_can_be_seen_on_its_ground() -> None:
    for theme in SHIPPED.themes.values():
        if theme.is_ansi:
            continue
        for colour in theme.ramp:
            assert contrast(colour, theme.ground[Ground.SIDE].colour) > 2.2, (theme.name, colour)


GOOD = Path(__file__).parents[3].joinpath("themes/dusk.toml").read_text()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("label = ", "Invalid value"),
        (GOOD.replace('text = "#c8cdd8"', ""), "no colour for text"),
        (GOOD.replace("#c8cdd8", "#c8cdd"), '"#c8cdd" is no colour'),
        (GOOD.replace("#c8cdd8", "mauve"), '"mauve" is no colour'),
        (GOOD + '\nsparkle = "#ffffff"\n', "sparkle"),
        (GOOD.replace("dark = true", 'dark = "yes"'), "bool"),
    ],
)
def test_a_broken_theme_says_what_is_wrong(text: str, part: str) -> None:
    with pytest.raises(ThemeError, match="theme mine: ") as caught:
        parse_theme("mine", text)
    assert part in str(caught.value)


def test_a_user_theme_wins_and_a_broken_one_is_only_told_of(tmp_path: Path) -> None:
    own = tmp_path / "ten" / "themes"
    own.mkdir(parents=True)
    own.joinpath("dusk.toml").write_text(GOOD.replace('"Dusk"', '"My dusk"'))
    own.joinpath("torn.toml").write_text("label = ")
    own.joinpath("bytes.toml").write_bytes(b"label = '\xff'")
    found = load_themes(theme_dirs({"XDG_CONFIG_HOME": str(tmp_path)}))
    assert found.themes["dusk"].label == "My dusk"
    assert "torn" not in found.themes
    assert len(found.errors) == 2


def test_a_changed_file_changes_the_stamp(tmp_path: Path) -> None:
    before = stamp([tmp_path])
    tmp_path.joinpath("a.toml").write_text("x")
    assert before == ()
    assert stamp([tmp_path]) != before


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TERM": "xterm-256color"}, "dusk"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "dusk"),
        ({"TERM": "xterm-kitty"}, "dusk"),
        ({"TERM": "vt220"}, "ansi"),
        ({}, "ansi"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "mono"),
        ({"TEN_THEME": "paper", "NO_COLOR": "1"}, "paper"),
    ],
)
def test_the_terminal_decides_the_theme_to_begin_with(environ: dict[str, str], name: str) -> None:
    assert default_theme(environ) == name


def test_there_are_ten_and_two_for_eyes_that_tell_red_and_green_badly() -> None:
    assert len(SHIPPED.themes) >= 10
    assert {"clear-dark", "clear-light"} <= SHIPPED.themes.keys()


def as_seen(colour: str, kind: str) -> tuple[float, float, float]:
    """Show a colour to a dichromat, in linear light. Source: Viénot, Brettel, Mollon (1999)."""
    matrix = {
        "deutan": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
        "protan": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    }[kind]
    parts = [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
    red, green, blue = (
        max(0.0, sum(a * b for a, b in zip(row, parts, strict=True))) ** (1 / 2.2) for row in matrix
    )
    return red, green, blue


@pytest.mark.parametrize("kind", ["deutan", "protan"])
@pytest.mark.parametrize("name", ["clear-dark", "clear-light"])
def test_well_and_bad_differ_for_every_eye(name: str, kind: str) -> None:
    ink = SHIPPED.themes[name].ink
    well, bad = as_seen(ink[Ink.OK], kind), as_seen(ink[Ink.BAD], kind)
    assert sum((a - b) ** 2 for a, b in zip(well, bad, strict=True)) ** 0.5 > 0.4
    dusk = SHIPPED.themes["dusk"].ink
    plain = as_seen(dusk[Ink.OK], kind), as_seen(dusk[Ink.BAD], kind)
    assert sum((a - b) ** 2 for a, b in zip(*plain, strict=True)) ** 0.5 < 0.4, "it would measure"
