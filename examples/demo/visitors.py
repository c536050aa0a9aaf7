"""A crowd that visits the tenants through the door, in waves, and the sleeper now and then."""

import http.client
import math
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

DOOR = os.environ.get("DOOR") or "127.0.0.1:8080"
TENANTS = {"alice": 1.0, "bob": 0.4, "carol": 0.15}
PEAK_PER_SECOND = 40
WAVE_SECONDS = 45
WAKE_SECONDS = 40


class Health(BaseHTTPRequestHandler):
    """Answers the engine's probe."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def ask(link: http.client.HTTPConnection, host: str, text: str = "") -> int:
    """Send one request over a kept connection; give the status."""
    method = "POST" if text else "GET"
    link.request(method, "/notes", text.encode() or None, {"Host": f"{host}.localhost"})
    answer = link.getresponse()
    answer.read()
    return answer.status


def visit(tenant: str, share: float) -> None:
    """Keep one connection and ask at a rate that comes and goes."""
    link = http.client.HTTPConnection(DOOR, timeout=30)
    phase = random.random() * WAVE_SECONDS
    while True:
        wave = (1 + math.sin(2 * math.pi * (time.monotonic() + phase) / WAVE_SECONDS)) / 2
        time.sleep(random.expovariate(1 + PEAK_PER_SECOND * share * wave))
        text = "remember the milk" if random.random() < 0.1 else ""
        try:
            status = ask(link, f"{tenant}.notes", text)
        except (OSError, http.client.HTTPException) as error:
            print(f"{tenant} did not answer: {error or type(error).__name__}", file=sys.stderr)
            link.close()
            time.sleep(1)
            continue
        if status >= 500:
            print(f"{tenant} said {status}")


def wake_the_sleeper() -> None:
    """Visit the sleeper every 40 seconds, so that it is asleep in between."""
    while True:
        time.sleep(WAKE_SECONDS)
        link = http.client.HTTPConnection(DOOR, timeout=30)
        started = time.monotonic()
        try:
            status = ask(link, "archive.sleepy")
        except (OSError, http.client.HTTPException) as error:
            print(f"archive did not wake: {error or type(error).__name__}", file=sys.stderr)
        else:
            took = (time.monotonic() - started) * 1000
            print(f"archive was asleep, and said {status} after {took:.0f} ms")
        link.close()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    print(f"visiting {', '.join(TENANTS)} by {DOOR}")
    for name, weight in TENANTS.items():
        threading.Thread(target=visit, args=(name, weight), daemon=True).start()
    threading.Thread(target=wake_the_sleeper, daemon=True).start()
    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Health).serve_forever()
