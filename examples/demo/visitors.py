"""A crowd that visits the tenants through the door, in waves, and the sleeper now and then."""

import http.client
import math
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

DOOR = os.environ["DOOR"]
TENANTS = {"alice": 1.0, "bob": 0.4, "carol": 0.15}
PEAK_PER_SECOND = 40
WAVE_SECONDS = 45


class Health(BaseHTTPRequestHandler):
    """Answers the engine's probe."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def visit(tenant: str, share: float) -> None:
    """Keep one connection and ask at a rate that comes and goes."""
    link = http.client.HTTPConnection(DOOR, timeout=30)
    phase = random.random() * WAVE_SECONDS
    while True:
        wave = (1 + math.sin(2 * math.pi * (time.monotonic() + phase) / WAVE_SECONDS)) / 2
        time.sleep(random.expovariate(1 + PEAK_PER_SECOND * share * wave))
        try:
            method, body = ("POST", b"remember the milk") if random.random() < 0.1 else ("GET", b"")
            link.request(method, "/notes", body, {"Host": f"{tenant}.notes.localhost"})
            link.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            print(f"{tenant} did not answer: {error}", file=sys.stderr)
            link.close()
            time.sleep(1)


def wake_the_sleeper() -> None:
    """Visit the sleeper every 40 seconds, so that it is asleep in between."""
    while True:
        time.sleep(40)
        started = time.monotonic()
        try:
            link = http.client.HTTPConnection(DOOR, timeout=30)
            link.request("GET", "/notes", headers={"Host": "archive.sleepy.localhost"})
            status = link.getresponse().status
            link.close()
            print(f"archive woke and said {status} after {time.monotonic() - started:.3f} s")
        except (OSError, http.client.HTTPException) as error:
            print(f"archive did not wake: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    for name, weight in TENANTS.items():
        threading.Thread(target=visit, args=(name, weight), daemon=True).start()
    threading.Thread(target=wake_the_sleeper, daemon=True).start()
    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Health).serve_forever()
