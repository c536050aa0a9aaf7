"""A program inside a network of its own, which tells what it sees of it. Standard library only.

/who  /close  /stream  /upgrade  /dial/HOST/PORT  /resolver  /spoil
"""

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHO = os.environ["TEN_DATA_DIR"].rpartition("/")[2]


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        _, what, *rest = self.path.split("/")
        if what == "stream":
            self._stream()
        elif what == "upgrade":
            self._upgrade()
        else:
            self._say(getattr(self, f"_{what}", lambda: "ok")(*rest), is_last=what == "close")

    def _who(self) -> str:
        named = [name for _, name in socket.if_nameindex()]
        return json.dumps({"who": WHO, "pid": os.getpid(), "interfaces": named})

    def _dial(self, host: str, port: str) -> str:
        try:
            with socket.create_connection((host, int(port)), 1.0) as made:
                return "reached " + made.recv(100).decode()
        except OSError as error:
            return f"failed {error}"

    def _resolver(self) -> str:
        with open("/etc/resolv.conf") as file:
            return file.read()

    def _spoil(self) -> str:
        try:
            with open("/etc/resolv.conf", "a") as file:
                file.write("nameserver 192.0.2.1\n")
        except OSError as error:
            return str(error)
        return "written"

    def _say(self, text: str, *, is_last: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        if is_last:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(5):
            self.wfile.write(b"7\r\npiece %d\r\n" % number)
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    def _upgrade(self) -> None:
        self.send_response_only(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        while data := self.connection.recv(100):
            self.connection.sendall(data.upper())
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class Server6(Server):
    address_family = socket.AF_INET6


def main() -> None:
    port = int(os.environ["PORT"])
    if "--inet6" in sys.argv:
        six = Server6(("::1", port), Answers)
        threading.Thread(target=six.serve_forever, daemon=True).start()
    Server(("127.0.0.1", port), Answers).serve_forever()


main()
