"""A tenant's program for the tests: answers HTTP, and misbehaves as asked. Standard library only.

Usage: tenant.py [--lines PER_SECOND] [--deaf] [--children] [--start-after SECONDS]
"""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out as a whole, or not at all if this is killed meanwhile

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/crash":
            os._exit(3)
        if path == "/abort":
            os.abort()
        if path == "/slow":
            time.sleep(float(self.path.partition("?")[2] or 1.0))
        is_spoilt = path == "/maybe" and os.path.exists(
            os.path.join(os.environ["TEN_DATA_DIR"], "spoilt")
        )
        status = 500 if path == "/error" or is_spoilt else 200
        if path == "/health" and os.path.exists(os.path.join(os.environ["TEN_DATA_DIR"], "sick")):
            status = 503
        body = {
            "/env": "\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())),
            "/pid": str(os.getpid()),
        }.get(path, os.environ.get("WORD", "ok")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def write_lines(per_second: float) -> None:
    number = 0
    while True:
        os.write(1 if number % 5 else 2, b"line %07d of %d\n" % (number, os.getpid()))
        number += 1
        time.sleep(1.0 / per_second)


def option(name: str) -> float:
    return float(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else 0.0


def main() -> None:
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--children" in sys.argv:
        code = "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);time.sleep(1000)"
        for new_session in (False, True):
            subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=new_session)
    time.sleep(option("--start-after"))
    print("started", flush=True)
    if lines := option("--lines"):
        threading.Thread(target=write_lines, args=(lines,), daemon=True).start()
    Server(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()


main()
