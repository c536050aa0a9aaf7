"""`ten inspect`: an instance's plan, and beside it what its process really has."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import msgspec

from ten_tui.cli.instances import name_of
from ten_tui.cli.main import client_of
from ten_tui.format import clean
from ten_tui.store.inspection import sections_of
from ten_tui.theme import Ink

if TYPE_CHECKING:
    import argparse

    from ten_tui.store.inspection import Section
    from ten_tui.store.why import Fact

_CODES = {Ink.BAD: "31", Ink.WARN: "33", Ink.OK: "32", Ink.DIM: "2"}
_MOST_LABEL, _LEAST_TEXT = 44, 30


def inspect(options: argparse.Namespace) -> int:
    """Show one instance, planned and live."""
    name = name_of(options.instance)
    with client_of(options) as client:
        found = client.inspect(name)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    print(found.name)
    for section in sections_of(found):
        print("\n".join(lines_of(section, width=width, is_coloured=is_coloured)))
    return 0


def lines_of(section: Section, *, width: int, is_coloured: bool) -> list[str]:
    """Lay a section out in two columns.

    Args:
        section: What it says.
        width: Of the terminal; 0: lines may be of any length, as for a pipe.
        is_coloured: Whether inks become colours.
    """
    lines = [""] if section.title else []
    if section.title:
        lines.append(f"\x1b[1m{section.title}\x1b[0m" if is_coloured else section.title)
    label_width = min(max((len(fact.label) for fact in section.facts), default=0), _MOST_LABEL)
    for fact in section.facts:
        lines += _lines_of_fact(fact, label_width, width, is_coloured=is_coloured)
    return lines


def _lines_of_fact(fact: Fact, label_width: int, width: int, *, is_coloured: bool) -> list[str]:
    room = max(width - label_width - 5, _LEAST_TEXT) if width else 0
    text = clean(fact.text)
    pieces = (textwrap.wrap(text, room) if room else [text]) or [""]
    lines, label = [], clean(fact.label)
    if len(label) > label_width:
        lines.append(f"  {label}")
        label, pieces = "", pieces if text else []
    for piece in pieces:
        shown = _coloured(piece, fact.ink) if is_coloured else piece
        lines.append(f"  {label:<{label_width}}  {shown}".rstrip())
        label = ""
    return lines if label_width else [line.replace("  ", "", 1) for line in lines]


def _coloured(text: str, ink: Ink) -> str:
    code = _CODES.get(ink)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text
