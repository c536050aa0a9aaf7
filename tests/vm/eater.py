"""A tenant's program that answers HTTP and takes memory.

`/eat/MIB` takes that much before it answers; `/eat/later` answers, then takes more without end.
"""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

eaten: list[bytes] = []


def eat() -> None:
    eaten.append(os.urandom(4096) * 256)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = self.path.removeprefix("/eat/")
        for _ in range(int(wanted) if wanted.isdigit() else 0):
            eat()
        self._say("eats" if wanted == "later" else f"{len(eaten)} MiB")
        while wanted == "later":
            eat()

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
