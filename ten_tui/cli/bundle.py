"""`ten bundle` and `ten --replay`: an incident as one file, and the console on that file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import Refused
from engine.core.times import read_time
from ten_tui.cli.attach import can_draw
from ten_tui.cli.main import client_of
from ten_tui.client import bundle_file
from ten_tui.client.recording import Recording
from ten_tui.version import program_version

if TYPE_CHECKING:
    import argparse


def bundle(options: argparse.Namespace) -> int:
    """Save what happened."""
    from ten_tui.client.bundle import gather

    now = time.time()  # noqa: TID251 - times are said by the clock
    since = read_time(options.since, now)
    if since >= now:
        message = f"--since {options.since} is not in the past"
        raise Refused(message)
    path = Path(options.output)
    with client_of(options) as client:
        found = gather(client, program_version(), since=since, services=options.services)
    bundle_file.write(path, found)
    size = path.stat().st_size
    print(f"Saved to {path} ({size / 1024:.0f} KiB); `ten --replay {path}` shows it")
    for note in found.manifest.notes:
        print(f"  {note}")
    return 0


def replay(options: argparse.Namespace) -> int:
    """Show a bundle in the console, or as lines where there is no terminal to draw on."""
    for name in ("server", "data_dir", "host"):
        if getattr(options, name, ""):
            message = f"--replay shows a file: --{name.replace('_', '-')} names an engine"
            raise Refused(message)
    if options.follow:
        raise Refused("A recording does not go on: there is nothing to follow")
    recording = Recording(bundle_file.read(Path(options.replay)))
    if options.plain or not can_draw():
        return _lines(recording)
    from ten_tui.start import run_on

    return run_on(recording.connect)


def _lines(recording: Recording) -> int:
    from ten_tui.cli.plain import print_state

    for note in recording.manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    print_state(recording.state)
    return 0
