"""`ten web`: the console in a browser, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from engine.core.errors import FeatureMissing, TenError
from ten_tui.cli.main import endpoints_of
from ten_tui.client import connect

if TYPE_CHECKING:
    import argparse

    from ten_tui.web.server import ConsolePage

ADDRESS = "127.0.0.1"


def web(options: argparse.Namespace) -> int:
    """Serve the page, and print its address once it is there.

    Raises:
        FeatureMissing: What it needs is not installed.
        TenError: No engine answers, or the port cannot be had.
    """
    try:
        from ten_tui.web.server import ConsolePage
    except ModuleNotFoundError as error:
        message = "`ten web` needs textual-serve"
        raise FeatureMissing(message, hint='pip install "ten-tui[web]"') from error
    for endpoint in endpoints_of(options):
        with connect(endpoint) as client:
            client.engine()
    page = ConsolePage(_arguments(options), _environ(options))
    asyncio.run(_serve(page, options.port))
    return 0


def _arguments(options: argparse.Namespace) -> list[str]:
    """Give the words of the console that each tab shows; a token is in no list of processes."""
    words = []
    for host in getattr(options, "host", None) or []:
        words += ["--host", host]
    for name in ("server", "data_dir"):
        if said := getattr(options, name, ""):
            words += [f"--{name.replace('_', '-')}", said]
    return [*words, "console", *(["--logs", options.logs] if options.logs else [])]


def _environ(options: argparse.Namespace) -> dict[str, str]:
    token = getattr(options, "token", "")
    return {**os.environ, **({"TENEMENT_TOKEN": token} if token else {})}


async def _serve(page: ConsolePage, port: int) -> None:
    from aiohttp.web import AppRunner, TCPSite

    is_over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, is_over.set)
    runner = AppRunner(page.application(), access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        site = TCPSite(runner, ADDRESS, port)
        try:
            await site.start()
        except OSError as error:
            message = f"Cannot listen on {ADDRESS}:{port}: {os.strerror(error.errno or 0)}"
            raise TenError(message, hint="-p takes another port, 0 any that is free") from error
        taken = runner.addresses[0][1]
        print(f"http://{ADDRESS}:{taken}/{page.secret}/", flush=True)
        await is_over.wait()
    finally:
        await runner.cleanup()
