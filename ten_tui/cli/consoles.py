"""`ten consoles`: who is attached to the engine now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core.sanitize import sanitize
from ten_tui.cli.instances import age
from ten_tui.cli.main import client_of

if TYPE_CHECKING:
    import argparse


def consoles(options: argparse.Namespace) -> int:
    """List consoles and other readers of the stream, the longest there first."""
    with client_of(options) as client:
        found = client.consoles()
    if not found:
        print("Nobody is attached")
        return 0
    print(f"{'WHO':<20} {'SINCE':<8} WHERE")
    for one in found:
        since = age(max(0, int(time.time() - one.since)))  # noqa: TID251 - shown, not measured
        print(f"{sanitize(one.who):<20} {since:<8} {sanitize(one.place) or '-'}")
    return 0
