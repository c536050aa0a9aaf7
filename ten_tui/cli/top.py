"""`ten top`: the instance table alone, drawn anew in its place each second."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from engine.core.wire import Samples, Snapshot
from ten_tui.cli.main import client_of
from ten_tui.store.table import Order, Table
from ten_tui.store.top import top_lines
from ten_tui.store.view import View

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import TextIO

_WIDE = 200
"""Columns where nobody says how many there are: all of the table's."""


def top(options: argparse.Namespace) -> int:
    """Draw the table once, so many times, or until Ctrl-C."""
    view = View()
    table = Table(filter=options.filter, order=Order(options.sort), is_grouped=False)
    table.is_descending = table.order not in {Order.NAME, Order.STATE}
    often = 1 if options.once else options.number
    pad = Pad(sys.stdout, os.environ)
    with client_of(options) as client:
        drawn = 0
        for update in client.stream():
            view.apply(update)
            if isinstance(update, Samples | Snapshot):
                pad.draw(view, table)
                drawn += 1
                if drawn == often:
                    break
    return 0


class Pad:
    """Where the table is drawn: over the last one on a terminal, below it elsewhere."""

    def __init__(self, out: TextIO, environ: Mapping[str, str]) -> None:
        """Find out what the output can do."""
        self._out = out
        term = environ.get("TERM", "")
        self._is_terminal = out.isatty() and term not in {"", "dumb"}
        self._is_coloured = self._is_terminal and not environ.get("NO_COLOR")
        self._is_ascii = not _takes_unicode(out)
        self._above = 0

    def draw(self, view: View, table: Table) -> None:
        """Draw one table."""
        size = shutil.get_terminal_size((_WIDE, 0))
        is_bound = self._is_terminal
        lines = top_lines(
            view,
            table,
            max(20, size.columns) if self._out.isatty() else _WIDE,
            max(3, size.lines - 1) if is_bound and size.lines else 0,
            is_ascii=self._is_ascii,
            is_coloured=self._is_coloured,
        )
        if not is_bound:
            text = "\n".join(lines) + "\n"
        else:
            # Up to where the last table began; each line is ended by erasing what was there.
            back = f"\x1b[{self._above}A\r" if self._above else ""
            text = back + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J"
            self._above = len(lines)
        self._out.write(text)
        self._out.flush()


def _takes_unicode(out: TextIO) -> bool:
    try:
        "●▄…".encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
