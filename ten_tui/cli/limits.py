"""`ten set`: an instance's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.errors import NotFound, Refused
from engine.core.limits import BadLimit, read_pairs
from ten_tui.cli.instances import name_of
from ten_tui.cli.main import client_of

if TYPE_CHECKING:
    import argparse

    from engine.core.wire_limits import LimitsView

_HEAD = ("LIMIT", "VALUE", "FROM", "KERNEL")
_SAID = {"default": "default", "config": "tenement.toml", "set": "ten set"}


def set_limits(options: argparse.Namespace) -> int:
    """Show, set or reset the limits of an instance."""
    name = name_of(options.instance)
    try:
        texts = read_pairs(options.limits)
    except BadLimit as error:
        raise Refused(str(error)) from error
    if options.reset and texts:
        raise Refused("--reset goes without KEY=VALUE", hint="KEY= takes back a single one")
    with client_of(options) as client:
        try:
            if options.reset:
                found = client.reset_limits(name)
            else:
                found = client.set_limits(name, texts) if texts else client.limits(name)
        except NotFound as error:
            raise NotFound(f"Instance not found: {name}", hint=error.hint) from None
    if options.reset:
        print(f"{name} has the limits of its service")
    for line in told(found, texts) if texts else table(found):
        print(line)
    return 0


def told(view: LimitsView, texts: dict[str, str]) -> list[str]:
    """Say what was set, and what is to be known about it."""
    limits = {limit.key: limit for limit in view.limits}
    said = [
        f"Set {view.name} {key} to {limits[key].value}"
        if text
        else f"{view.name} has {key} {limits[key].value} again"
        for key, text in texts.items()
    ]
    return [*said, *(f"Note: {note}" for note in view.notes)]


def table(view: LimitsView) -> list[str]:
    """Lay out all limits."""
    rows = [_HEAD] + [(it.key, it.value, _SAID[it.origin], it.kernel or "-") for it in view.limits]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
