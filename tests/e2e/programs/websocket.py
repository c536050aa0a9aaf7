"""A WebSocket server and client on Debian's `websockets`, run by Debian's Python.

The server tells first how it was asked, then echoes. The client tells what it heard, and after a
line on its standard input once more.
"""

import asyncio
import os
import ssl
import sys

import websockets


async def serve() -> None:
    async def talk(socket, *_):
        headers = socket.request_headers
        await socket.send(f"{headers['X-Forwarded-Proto']} {headers['X-Forwarded-For']}")
        async for message in socket:
            await socket.send(message)

    async with websockets.serve(talk, "127.0.0.1", int(os.environ["PORT"])):
        await asyncio.Future()


async def ask(host: str, port: int) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    how = {"host": "127.0.0.1", "port": port, "local_addr": ("127.0.0.2", 0), "ssl": trust}
    async with websockets.connect(f"wss://{host}:{port}/", server_hostname=host, **how) as socket:
        print(await socket.recv(), flush=True)
        for line in iter(sys.stdin.readline, ""):
            await socket.send(line.strip())
            print(await socket.recv(), flush=True)


asyncio.run(ask(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 1 else serve())
