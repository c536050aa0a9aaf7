"""What the engine's process needs before anything runs in it."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from engine.core.errors import TenError
from engine.daemon.engine import Engine, Options
from engine.daemon.logging_setup import start_logging
from engine.kernel import syscalls

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)


def run_engine(
    *, keeper_fd: int, data_dir: Path, config: str, domain: str, port: int, front: str = ""
) -> int:
    """Be the engine until the keeper asks for its end; give the exit status."""
    keeper = os.getppid()
    syscalls.set_name("ten-engine")
    if not syscalls.set_pdeathsig(signal.SIGTERM, keeper):
        return 0  # the keeper died before we could ask to be told
    _raise_limits()
    start_logging(data_dir / "run" / "log")
    options = Options(
        keeper_fd=keeper_fd,
        data_dir=data_dir,
        config=config,
        domain=domain,
        port=port,
        front=front,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(options))
        except TenError as error:
            log.error("the engine cannot start: %s", error)
            sys.stderr.write(f"Error: {error}\n")
            return 1
    return 0


async def _run(options: Options) -> None:
    await Engine(options).run()


def _raise_limits() -> None:
    """Allow as many descriptors as the kernel lets us: some for each instance."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
