"""The console's page on loopback, for whoever has its address: a secret is part of it.

A browser gives what it knows to whom it is told to, so what asks is looked at: `Host` has to name
this host's loopback (another name may be an attacker's that leads here), and a WebSocket's
`Origin` this very page. There is no cookie: those of `localhost` go to every port there, and so
to the tenants'. The page loads nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import secrets
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from ten_tui.web.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts by which the page may be asked for; the port may be that of a tunnel."""

MAX_TABS = 16
MAX_MESSAGE_BYTES = 1024 * 1024
HEARTBEAT_SECONDS = 15.0
"""So often a page is asked whether it is still there: a closed laptop says no goodbye."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://{host};"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}
_FOCUS = """<script>
// Keys are the console's without a click first.
new MutationObserver((_, observer) => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) {
    keys.focus();
    observer.disconnect();
  }
}).observe(document.body, { attributes: true, childList: true, subtree: true });
</script>
"""
_CLOSED = "ten web: open the address that it has printed; each start makes a new one\n"


class ConsolePage:
    """A page with a console in it; each that is opened has its own."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Make the secret.

        Args:
            arguments: Of the `ten` that each tab shows.
            environ: Of it.
        """
        self.secret = secrets.token_urlsafe(32)
        self._arguments, self._environ = arguments, environ
        self._tabs: set[asyncio.Task[object]] = set()
        served = files("textual_serve")
        self._static = str(served / "static")
        text = (served / "templates" / "app_index.html").read_text()
        self._template = jinja2.Environment(autoescape=True).from_string(
            text.replace("</body>", f"{_FOCUS}</body>")
        )

    def application(self) -> web.Application:
        """Give what aiohttp serves."""
        app = web.Application(middlewares=[self._guard])
        base = f"/{self.secret}"
        app.router.add_get(f"{base}/", self._index)
        app.router.add_get(f"{base}/ws", self._socket)
        app.router.add_static(f"{base}/static", self._static)
        app.on_shutdown.append(self._close)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let nobody in who is led here, or does not know the secret."""
        if _name_of(f"//{request.headers.get('Host', '')}") not in NAMES:
            return web.Response(
                status=403, text="ten web: this host is not asked for by that name\n"
            )
        said = request.path.split("/", 2)[1].encode()
        if not secrets.compare_digest(said, self.secret.encode()):
            return web.Response(status=403, text=_CLOSED)
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            return web.Response(status=403, text="ten web: asked for by another page\n")
        return await handler(request)

    async def _index(self, request: web.Request) -> web.Response:
        base = f"/{self.secret}"
        page = self._template.render(
            font_size=_number(request.query.get("fontsize", ""), 16),
            app_websocket_url=f"ws://{request.host}{base}/ws",
            config={"static": {"url": f"{base}/static/"}},
            application={"name": "ten"},
        )
        headers = {name: text.replace("{host}", request.host) for name, text in _HEADERS.items()}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._tabs) >= MAX_TABS:
            return web.Response(status=503, text=f"ten web: {MAX_TABS} tabs are open already\n")
        if "Origin" not in request.headers:
            return web.Response(status=403, text="ten web: not asked for by a page\n")
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=False
        )
        await socket.prepare(request)
        width, height = (
            _number(request.query.get(name, ""), usual)
            for name, usual in (("width", 80), ("height", 24))
        )
        session = Session(self._arguments, self._environ)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine is running
        self._tabs.add(task)
        try:
            await session.run(socket, width, height)
        finally:
            self._tabs.discard(task)
        return socket

    async def _close(self, _: web.Application) -> None:
        """Have every console leave."""
        for task in self._tabs:
            task.cancel()
        await asyncio.gather(*self._tabs, return_exceptions=True)


def _name_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _number(text: str, usual: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else usual
