"""`ten doctor`: the report on the terminal, or as JSON."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import msgspec

from engine.core.doctor import lines_of
from engine.runtime.doctor.examine import examine
from engine.runtime.doctor.scope import Scope, Terminal

if TYPE_CHECKING:
    from engine.core.doctor import Line, Report
    from engine.core.spec import Config

_COLOURS = {"group": "1", "yes": "32", "partly": "33", "no": "2", "fail": "31", "fix": "36"}
_HEAD = len("  ● partly")
"""What of a finding's line is coloured."""


def run(config: Config | None, error: str, data_dir: str, *, port: int, is_json: bool) -> int:
    """Look at this host and print what was found.

    Returns: 0 where everything the configuration needs is there, else 1.
    """
    scope = Scope(config, data_dir, error=error, port=port, terminal=_terminal())
    report = examine(scope)
    sys.stdout.write(as_json(report) if is_json else _as_text(report))
    return 0 if report.is_good else 1


def as_json(report: Report) -> str:
    """Give it for programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _as_text(report: Report) -> str:
    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    lines = lines_of(report, is_ascii=is_ascii)
    return "".join(_coloured(each) if is_coloured else f"{each.text}\n" for each in lines)


def _coloured(line: Line) -> str:
    colour = _COLOURS.get(line.kind)
    if colour is None or not line.text:
        return f"{line.text}\n"
    end = _HEAD if line.kind in {"yes", "partly", "no"} else len(line.text)
    return f"\x1b[{colour}m{line.text[:end]}\x1b[0m{line.text[end:]}\n"


def _terminal() -> Terminal:
    return Terminal(
        is_tty=sys.stdout.isatty(),
        columns=shutil.get_terminal_size().columns,
        encoding=sys.stdout.encoding or "ascii",
        term=os.environ.get("TERM", ""),
        colours=os.environ.get("COLORTERM", ""),
    )
