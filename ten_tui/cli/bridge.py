"""`ten bridge`: the engine's socket on the standard streams, for `ten --host` elsewhere."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.errors import EngineUnreachable, TenError
from ten_tui.client import find_engine

if TYPE_CHECKING:
    import argparse

_BLOCK = 64 * 1024


def bridge(options: argparse.Namespace) -> int:
    """Pass bytes between standard input and output and the engine, until either ends.

    Raises:
        EngineUnreachable: No engine answers there.
    """
    endpoint = find_engine(
        Path(options.folder or ".").expanduser(), data_dir=getattr(options, "data_dir", "")
    )
    if not endpoint.socket:
        message = "`ten bridge` leads to an engine of this host"
        raise TenError(message, hint="leave TENEMENT_SERVER and TENEMENT_TOKEN out")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
        try:
            engine.connect(endpoint.socket)
        except OSError as error:
            message = f"Failed to connect to server at {endpoint.where}"
            raise EngineUnreachable(message, hint="`ten up` or `ten serve` starts one") from error
        try:
            _relay(engine)
        except (BrokenPipeError, ConnectionResetError):
            # Whoever listened has left; there is nothing to tell.
            return 0
    return 0


def _relay(engine: socket.socket) -> None:
    """Copy both ways. One side is written to before more is read: memory stays bounded."""
    reads = [0, engine.fileno()]
    while reads:
        for ready in select.select(reads, [], [])[0]:
            if ready == 0:
                data = os.read(0, _BLOCK)
                if data:
                    engine.sendall(data)
                else:
                    reads.remove(0)
                    engine.shutdown(socket.SHUT_WR)
            else:
                data = engine.recv(_BLOCK)
                if not data:
                    return
                _write_all(data)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
