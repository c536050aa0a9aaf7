"""A server that says something now and then: an event stream, and a tunnel that is silent long."""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE_SECONDS = 3.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "Upgrade" in self.headers:
            self.send_response(101)
            self.send_header("Connection", "upgrade")
            self.send_header("Upgrade", "echo")
            self.end_headers()
            while line := self.rfile.readline():
                self.wfile.write(line)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3 if self.path == "/events" else 0):
            if number:
                time.sleep(PAUSE_SECONDS)
            self.wfile.write(b"9\r\ndata: %d\n\n\r\n" % number)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
