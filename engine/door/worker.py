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
from engine.door.supply import Supply
from engine.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Sequence

GARBAGE_THRESHOLD = 50_000
"""New containers before a collection: connections are freed by counting, cycles are rare."""


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ten door", description="One worker of the proxy.")
    parser.add_argument("--listen-fd", type=int, required=True, help="listening TCP socket")
    parser.add_argument("--control-fd", type=int, required=True, help="SOCK_SEQPACKET socket")
    parser.add_argument("--supply-fd", type=int, help="SOCK_SEQPACKET socket to the keeper")
    parser.add_argument("--index", type=int, default=0, help="number of this worker")
    parser.add_argument("--domain", default="localhost", help="domain served")
    parser.add_argument("--uid", type=int, help="user to become, if this is root")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run as a program of its own: `python -m engine.door`.

    Args:
        argv: Arguments after the program's name.

    Returns: the exit status.
    """
    given = _parse(argv)
    return run_door(
        listen_fd=given.listen_fd,
        control_fd=given.control_fd,
        supply_fd=given.supply_fd,
        index=given.index,
        domain=given.domain,
        uid=given.uid,
    )


def run_door(
    *,
    listen_fd: int,
    control_fd: int,
    supply_fd: int | None,
    index: int,
    domain: str,
    uid: int | None,
) -> int:
    """Serve until SIGTERM; started by the keeper in the directory of the API's socket.

    Args:
        listen_fd: Listening TCP socket, shared by all doors.
        control_fd: SOCK_SEQPACKET socket to the engine.
        supply_fd: The same to the keeper; None: instances with networks of their own are not
            reached.
        index: Number of this worker.
        domain: Served until a table names another.
        uid: User to become, if this is root.

    Returns: the exit status.
    """
    parent = os.getppid()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"door {index}: %(levelname)s: %(message)s",
    )
    syscalls.set_name("ten-door")
    privileges.raise_open_files()
    privileges.drop(uid)
    if not privileges.die_with(parent):
        return 1
    listener = socket.socket(fileno=listen_fd)
    link = Link(socket.socket(fileno=control_fd))
    supply = Supply(None if supply_fd is None else socket.socket(fileno=supply_fd))
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, link, supply, index, domain))
    return 0


async def _serve(
    listener: socket.socket, link: Link, supply: Supply, index: int, domain: str
) -> None:
    loop = asyncio.get_running_loop()
    door = Door(loop, link, index=index, domain=domain, supply=supply)
    loop.add_signal_handler(signal.SIGTERM, door.drain)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        # Of the terminal: whether the door ends is for the keeper to say.
        loop.add_signal_handler(ignored, lambda: None)
    with contextlib.closing(listener):
        await door.open(listener)
        await door.done.wait()
