"""One tab of a browser: a console on a terminal of its own, relayed over a WebSocket.

The page speaks JSON arrays (`["stdin", TEXT]`, `["resize", {"width": W, "height": H}]`,
`["ping", WHAT]`) and is sent the terminal's bytes as they are. A page that takes nothing is
waited for: the console sees a slow terminal, and draws less.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from aiohttp import WSMsgType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import WSMessage
    from aiohttp.web import WebSocketResponse

MAX_CELLS = (1000, 500)
"""Columns and rows that a page may ask for."""

END_SECONDS = 3.0
"""How long a console may take to leave once its terminal is gone."""

_CHUNK_BYTES = 64 * 1024
_CLOSED_BADLY = 1008
"""A message was none. Source: RFC 6455, section 7.4.1, "policy violation"."""


class Session:
    """A console and its terminal."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Open the terminal; the console is not started yet.

        Args:
            arguments: Of `ten`.
            environ: Of the console, but for what tells of its terminal.
        """
        self._arguments = arguments
        self._environ = {
            **{name: text for name, text in environ.items() if name not in _OF_A_TERMINAL},
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self, socket: WebSocketResponse, width: int, height: int) -> None:
        """Relay until the console has left or the tab is closed; nothing is left behind."""
        try:
            self.resize(width, height)
            self._process = await asyncio.to_thread(self._start)
            async with asyncio.TaskGroup() as group:
                showing = group.create_task(self._show(socket))
                await self._listen(socket)
                showing.cancel()
        finally:
            await asyncio.shield(self._end())

    def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size, in cells. Source: ioctl_tty(2), TIOCSWINSZ."""
        columns, rows = (
            min(max(each, 1), most) for each, most in zip((width, height), MAX_CELLS, strict=True)
        )
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", "ten_tui.cli.on_terminal", *self._arguments],
                stdin=self._slave,
                stdout=self._slave,
                stderr=self._slave,
                start_new_session=True,
                env=self._environ,
            )
        finally:
            os.close(self._slave)

    async def _show(self, socket: WebSocketResponse) -> None:
        """Send what the console draws; at its end, close the page."""
        try:
            while True:
                await self._readable()
                try:
                    data = os.read(self._master, _CHUNK_BYTES)
                except BlockingIOError:
                    continue
                except OSError:  # EIO: nobody has the other side open any more
                    break
                await socket.send_bytes(data)
        except ConnectionError:
            return
        await socket.close()

    async def _readable(self) -> None:
        """Wait until the terminal has something; looked at only meanwhile.

        What lies there while a slow page takes what was before must not wake the loop each turn.
        """
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._master)

    async def _listen(self, socket: WebSocketResponse) -> None:
        async for message in socket:
            try:
                await self._take(socket, message)
            except (ValueError, TypeError, KeyError, IndexError):
                await socket.close(code=_CLOSED_BADLY, message=b"that is no message of the page's")
                return

    async def _take(self, socket: WebSocketResponse, message: WSMessage) -> None:
        """Do what a message of the page says; kinds that nobody knows are passed over."""
        if message.type is not WSMsgType.TEXT:
            return
        match json.loads(message.data):
            case ["stdin", str(text)]:
                await self._type(text.encode())
            case ["resize", {"width": int(width), "height": int(height)}]:
                self.resize(width, height)
            case ["ping", what]:
                await socket.send_json(["pong", what])
            case [str(), *_]:
                pass
            case _:
                raise ValueError("not an array that begins with a word")

    async def _type(self, data: bytes) -> None:
        """Have keys pressed; a console that reads none holds up its own page alone."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)
            except OSError:
                return  # it has left

    async def _end(self) -> None:
        """Hang up, and see to it that the console leaves. Source: credentials(7), SIGHUP."""
        os.close(self._master)
        process = self._process
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)


_OF_A_TERMINAL = frozenset(
    {"TERM", "COLORTERM", "TMUX", "STY", "COLUMNS", "LINES", "TERM_PROGRAM", "SSH_TTY", "NO_COLOR"}
)
"""What the environment says of the terminal in which `ten web` was started."""
