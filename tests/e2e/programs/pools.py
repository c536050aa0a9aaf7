"""Threads, processes, a subprocess with a pipe, a timer, shared memory: then an HTTP server."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.shared_memory import SharedMemory


def square(number: int) -> int:
    return number * number


def work() -> str:
    with ThreadPoolExecutor(16) as threads, ProcessPoolExecutor(4) as processes:
        total = sum(threads.map(square, range(100))) + sum(processes.map(square, range(100)))
    done = subprocess.run(["sort", "-rn"], input="1\n3\n2\n", capture_output=True, text=True)
    shared = SharedMemory(create=True, size=4096)
    shared.buf[:4] = b"seen"
    seen = bytes(shared.buf[:4]).decode()
    shared.close()
    shared.unlink()
    is_due = threading.Event()
    threading.Timer(0.01, is_due.set).start()
    master, slave = os.openpty()
    os.close(master)
    os.close(slave)
    return f"{total} {done.stdout.split()} {seen} {is_due.wait(5)}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = work().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    print("pools are ready", file=sys.stderr, flush=True)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
