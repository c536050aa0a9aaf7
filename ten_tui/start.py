"""The console on a terminal, until the user detaches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ten_tui import settings
from ten_tui.app import TenApp
from ten_tui.client import connect
from ten_tui.driver import ConsoleDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ten_tui.asking import Client
    from ten_tui.client import Endpoint


def run(endpoints: Sequence[Endpoint], *, logs: str | None = None) -> int:
    """Show one engine, or several, each under the name of its host.

    Args:
        endpoints: Where they are, as `ten_tui.client` describes it.
        logs: Instance whose log is open and followed at first.

    Returns:
        The exit code.
    """
    named = {
        name: (lambda endpoint=endpoint: connect(endpoint))
        for name, endpoint in zip(_names(endpoints), endpoints, strict=True)
    }
    return run_on(named, logs=logs)


def run_on(
    connects: Callable[[], Client] | Mapping[str, Callable[[], Client]], *, logs: str | None = None
) -> int:
    """Show the console on what answers like engines, a recording for one; give the exit code."""
    driver = None if os.environ.get("TEXTUAL_DRIVER") else ConsoleDriver
    is_first = settings.greet()
    app = TenApp(connects, logs=logs, is_first=is_first, driver_class=driver)
    return app.run() or 0


def _names(endpoints: Sequence[Endpoint]) -> list[str]:
    """Name each in short: its host alone where no other has that one."""
    shorts = [each.host.partition(":")[0].rpartition("@")[2] or each.where for each in endpoints]
    names: list[str] = []
    for short, endpoint in zip(shorts, endpoints, strict=True):
        name = short if shorts.count(short) == 1 else endpoint.host or endpoint.where
        same = sum(each.partition(" #")[0] == name for each in names)
        names.append(f"{name} #{same + 1}" if same else name)
    return names
