"""Asks by HTTP/3, several requests on one connection; prints a line of JSON for each answer.

For a Python that has aioquic: `http3_client.py PORT HOST CA PATH...`. Run by check_http3.
"""

import asyncio
import json
import sys
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

ANSWER_SECONDS = 10.0


class Client(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._parts: dict[int, list[HeadersReceived | DataReceived]] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        """Gather the parts of answers."""
        for part in self._http.handle_event(event):
            if isinstance(part, HeadersReceived | DataReceived):
                self._parts[part.stream_id].append(part)
                if part.stream_ended:
                    self._waiting.pop(part.stream_id).set_result(None)

    async def get(self, host: str, path: str) -> dict[str, Any]:
        """Ask, and wait for the whole answer."""
        stream = self._quic.get_next_available_stream_id()
        self._parts[stream] = []
        done = self._waiting[stream] = asyncio.get_running_loop().create_future()
        fields = {":method": "GET", ":scheme": "https", ":authority": host, ":path": path}
        lines = [(name.encode(), value.encode()) for name, value in fields.items()]
        self._http.send_headers(stream, lines, end_stream=True)
        self.transmit()
        await asyncio.wait_for(done, ANSWER_SECONDS)
        head, *rest = self._parts.pop(stream)
        body = b"".join(part.data for part in rest if isinstance(part, DataReceived))
        status = int(dict(head.headers)[b":status"]) if isinstance(head, HeadersReceived) else 0
        return {"path": path, "status": status, "body": body.decode()}


async def main(port: str, host: str, ca: str, *paths: str) -> None:
    """Ask for all paths at once."""
    settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=host)
    settings.load_verify_locations(ca)
    async with connect(
        "127.0.0.1", int(port), configuration=settings, create_protocol=Client
    ) as client:
        asked = [client.get(f"{host}:{port}", path) for path in paths]  # type: ignore[attr-defined]
        for answer in await asyncio.gather(*asked):
            print(json.dumps(answer))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
