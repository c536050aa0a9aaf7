"""The door's process: its arguments, its rights, its loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import uvloop

from engine.door import privileges
from engine.door.door import Door
from engine.door.link import Link
from engine.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Sequence

GARBAGE_THRESHOLD = 50_000
"""New containers before a collection: connections are freed by counting, cycles are rare."""


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ten door", description="One worker of the proxy.")
    parser.add_argument("--listen-fd", type=int, required=True, help="listening TCP socket")
    parser.add_argument("--control-fd", type=int, required=True, help="SOCK_SEQPACKET socket")
    parser.add_argument("--index", type=int, default=0, help="number of this worker")
    parser.add_argument("--domain", default="localhost", help="domain served")
    parser.add_argument("--uid", type=int, help="user to become, if this is root")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM; started by the keeper in the directory of the API's socket.

    Args:
        argv: Arguments after the program's name.

    Returns: the exit status.
    """
    parent = os.getppid()
    arguments = _parse(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"door {arguments.index}: %(levelname)s: %(message)s",
    )
    syscalls.set_name("ten-door")
    privileges.raise_open_files()
    privileges.drop(arguments.uid)
    if not privileges.die_with(parent):
        return 1
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(arguments))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    link = Link(socket.socket(fileno=arguments.control_fd))
    listener = socket.socket(fileno=arguments.listen_fd)
    door = Door(loop, link, index=arguments.index, domain=arguments.domain)
    loop.add_signal_handler(signal.SIGTERM, door.drain)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        # Of the terminal: whether the door ends is for the keeper to say.
        loop.add_signal_handler(ignored, lambda: None)
    with contextlib.closing(listener):
        await door.open(listener)
        await door.done.wait()
