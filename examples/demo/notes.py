"""A customer's notes: a small HTTP service on 127.0.0.1:$PORT, for one $OWNER."""

import json
import os
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWNER = os.environ.get("OWNER", "nobody")
TYPICAL_SECONDS = {"alice": 0.003, "bob": 0.008, "carol": 0.02}
NOTES: list[str] = []


class Notes(BaseHTTPRequestHandler):
    """GET /notes lists, POST /notes adds; now and then a request is slow or fails."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
            return
        work()
        if random.random() < 0.01:
            print(f"error: cannot read {self.path}: disk quota exceeded", file=sys.stderr)
            self.answer(500, {"error": "disk quota exceeded"})
            return
        self.answer(200, {"owner": OWNER, "notes": NOTES[-20:]})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        work()
        NOTES.append(text.decode(errors="replace"))
        del NOTES[:-1000]
        self.answer(201, {"owner": OWNER, "count": len(NOTES)})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        if self.path != "/health":
            print(f"{OWNER} {format % args}")


def work() -> None:
    """Take as long as this tenant's requests take; one in a hundred takes much longer."""
    seconds = random.expovariate(1 / TYPICAL_SECONDS.get(OWNER, 0.005))
    if random.random() < 0.01:
        seconds += random.uniform(0.1, 0.6)
    time.sleep(seconds)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    print(f"notes of {OWNER} on port {os.environ['PORT']}")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Notes).serve_forever()
